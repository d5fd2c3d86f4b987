export type * from "./files.ts";
export type * from "./host-agent.ts";
export type * from "./processes.ts";
