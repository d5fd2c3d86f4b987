import { FakeHostAgent, hostAgentContract } from "@wrenn/protocol/testing";

await hostAgentContract("fake", async () => {
  const agent = new FakeHostAgent();
  const image = {
    reference: "images.example/tool:1",
    slowReference: "images.example/slow:1",
    archive: Buffer.from("images.example/tool:1"),
  };
  agent.images.add(image.reference, "a");
  agent.images.addEndless(image.slowReference);
  return { agent, template: "minimal", directory: "/root", image, close: async () => agent.close() };
});
