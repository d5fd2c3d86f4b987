export { createSlotPool } from "./slot-pool.ts";
export type { SlotPool, SlotPoolOptions } from "./slot-pool.ts";
export { DEFAULT_POLICY } from "./policy.ts";
export type { NetworkPolicy } from "./policy.ts";
export type { Runner } from "./runner.ts";
export type { Slot } from "./slot.ts";
