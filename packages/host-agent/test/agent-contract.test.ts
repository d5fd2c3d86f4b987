import { hostAgentContract } from "@wrenn/protocol/testing";
import { startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

await hostAgentContract("agent on fake machines", startAgentOnFakeMachines);
