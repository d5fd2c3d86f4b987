export { syncDirectory, writeFileAtomic } from "./atomic-file.ts";
export { findLeftovers } from "./leftovers.ts";
export { identifyProcess, isAlive } from "./process-identity.ts";
export type { ProcessIdentity } from "./process-identity.ts";
export { runCommand, tryCommand } from "./run-command.ts";
export type { CommandOptions, CommandResult } from "./run-command.ts";
export { connectTcp } from "./connect-tcp.ts";
export type { TcpPlace } from "./connect-tcp.ts";
