import { hostAgentContract } from "@wrenn/protocol/testing";
import { TestLink } from "./support/test-link.ts";

await hostAgentContract("link to a fake", async () => {
  const link = await TestLink.open();
  const image = {
    reference: "images.example/tool:1",
    slowReference: "images.example/slow:1",
    archive: Buffer.from("images.example/tool:1"),
  };
  link.fake.images.add(image.reference, "a");
  link.fake.images.addEndless(image.slowReference);
  return {
    agent: await link.client(),
    template: "minimal",
    directory: "/root",
    image,
    close: () => link[Symbol.asyncDispose](),
  };
});
