import type { NetworkDecision } from "@wrenn/protocol";
import type { Instance } from "./naming.ts";
import type { NetworkPolicy } from "./policy.ts";
import type { Slot } from "./slot.ts";

/** Whose slot it is. */
export interface SlotOwner {
  /** Public id of the capsule. */
  readonly capsule?: string;
  readonly team?: string;
}

/** The slots of one installation. The owner of every namespace and link that carries its instance id. */
export interface SlotPool {
  readonly instance: Instance;
  /**
   * A slot of the caller's own, ready-made when the pool has one, with the default policy.
   *
   * @throws WrennError `host_full` when all numbers are in use; `command_failed` when the kernel refuses.
   */
  acquire(signal: AbortSignal): Promise<Slot>;
  /** Takes over the slot of a capsule that outlived an earlier pool; undefined when it is gone from the kernel. */
  adopt(number: number, owner?: SlotOwner): Slot | undefined;
  /**
   * Removes the slot and everything it knew (connections, counters, policy). Its machine must be gone. Idempotent: a slot that was
   * released before is left alone, even when another caller has its number.
   */
  release(slot: Slot): Promise<void>;
  /** Says which capsule the slot has, until it is released: its guest may ask for that. */
  assignCapsule(slot: Slot, capsule: string): void;
  /**
   * Counts the slot's connections for a team from now on. All slots without a team count for one together.
   *
   * @throws WrennError `command_failed` when the kernel refuses.
   */
  assignTeam(slot: Slot, team: string, signal: AbortSignal): Promise<void>;
  /**
   * Replaces the policy of a live slot at once; connections it forbids end. It is kept over restarts of the agent.
   *
   * @throws WrennError `invalid_field` when the policy is none; the old one stands after any error.
   */
  applyPolicy(slot: Slot, policy: NetworkPolicy, signal: AbortSignal): Promise<void>;
  /** What the slot's guest wanted to reach and what became of it: the newest few hundred, oldest first. */
  decisions(slot: Slot, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /**
   * Removes slots of an earlier run that were not adopted; with `dryRun` only names them. Call it after adopting: from then on the
   * pool also removes slots that it finds later, or whose removal failed, when it refills.
   */
  sweep(options?: { readonly dryRun?: boolean }): Promise<readonly number[]>;
  /** Ends adoption: removes what {@link sweep} would, and fills the pool, in the background. What resists is logged and tried again. */
  endAdoption(): void;
  /**
   * Removes the ready slots, and where the kernel holds no slot also the host's rules, address block and journal. Every call settles
   * when that is done.
   */
  close(): Promise<void>;
}
