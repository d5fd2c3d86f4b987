export * from "./facts.ts";
export * from "./file-facts.ts";
export * from "./files.ts";
export type * from "./host-agent.ts";
export * from "./images.ts";
export * from "./observations.ts";
export * from "./processes.ts";
export * from "./scalars.ts";
export * from "./uploads.ts";
