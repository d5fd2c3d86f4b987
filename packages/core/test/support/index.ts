export { eventually } from "./eventually.ts";
export type { EventuallyOptions } from "./eventually.ts";
export { clientHelloOf } from "./client-hello-of.ts";
