import { hostAgentContract } from "@wrenn/protocol/testing";
import { TestLink } from "./support/test-link.ts";

await hostAgentContract("link to a fake", async () => {
  const link = await TestLink.open();
  return {
    agent: await link.client(),
    template: "minimal",
    directory: "/root",
    close: () => link[Symbol.asyncDispose](),
  };
});
