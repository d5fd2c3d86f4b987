export type * from "./host-agent/index.ts";
