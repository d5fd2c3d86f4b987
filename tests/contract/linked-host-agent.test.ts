import { hostAgentContract } from "@wrenn/protocol/testing";
import { startAgentOnFakeMachines } from "../../packages/host-agent/test/support/agent-on-fake-machines.ts";
import { TestLink } from "../../packages/host-link/test/support/test-link.ts";

await hostAgentContract("link to an agent on fake machines", async () => {
  const host = await startAgentOnFakeMachines();
  const link = await TestLink.open(host.agent);
  return {
    agent: await link.client(),
    template: host.template,
    directory: host.directory,
    image: host.image,
    close: async () => {
      await link[Symbol.asyncDispose]();
      await host.close();
    },
  };
});
