import { FakeHostAgent, hostAgentContract } from "@wrenn/protocol/testing";

await hostAgentContract("fake", async () => {
  const agent = new FakeHostAgent();
  return { agent, template: "minimal", directory: "/root", close: async () => agent.close() };
});
