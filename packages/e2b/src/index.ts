export { openE2b } from "./open-e2b.ts";
export type { E2b, E2bOptions } from "./open-e2b.ts";
