export { createSlotPool } from "./slot-pool.ts";
export type { SlotPool, SlotPoolOptions } from "./slot-pool.ts";
export { findOrphanInstances, removeInstance } from "./orphan-instances.ts";
export type { OrphanInstance } from "./orphan-instances.ts";
export { DEFAULT_POLICY, parsePolicy } from "./policy.ts";
export type { NetworkPolicy } from "./policy.ts";
export type { Runner } from "./runner.ts";
export type { SlotLimits } from "./slot-limits.ts";
export type { Slot } from "./slot.ts";
