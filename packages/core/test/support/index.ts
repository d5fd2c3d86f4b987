export { eventually } from "./eventually.ts";
export type { EventuallyOptions } from "./eventually.ts";
