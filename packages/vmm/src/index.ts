export type * from "./hypervisor.ts";
