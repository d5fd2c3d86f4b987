export { FakeHostAgent } from "./fake-host-agent.ts";
export { PLAIN_SETTINGS } from "./fake-images.ts";
export { hostAgentContract } from "../contract/host-agent-contract.ts";
export type { ContractSubject } from "../contract/contract-lab.ts";
