import type { GuestLink } from "@wrenn/guest";
import type { NetworkPolicy, Slot } from "@wrenn/network";
import type { NetworkDecision } from "@wrenn/protocol";
import type { Hypervisor, Machine } from "@wrenn/vmm";

/** What starts machines, connects them to the network, and reaches the guests in them. `S`: the calls to the slots that are used. */
export interface Machines<S extends keyof Slots = keyof Slots> {
  readonly hypervisor: Hypervisor;
  readonly slots: Pick<Slots, S>;
  /** `onActivity` is called for bytes in either direction. */
  readonly connectGuest: (
    machine: Machine,
    onActivity: () => void,
    signal: AbortSignal,
  ) => Promise<GuestLink>;
  /** The same for a guest that cannot answer yet: its requests wait. */
  readonly openGuest: (machine: Machine, onActivity: () => void) => GuestLink;
}

/** The part of the slot pool that capsules use. */
export interface Slots {
  acquire(signal: AbortSignal): Promise<Slot>;
  /** Replaces what the slot's guest may reach, at once. */
  applyPolicy(slot: Slot, policy: NetworkPolicy, signal: AbortSignal): Promise<void>;
  /** What the slot's guest lately wanted to reach. */
  decisions(slot: Slot, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /** The slot of a machine that outlived an earlier host agent. */
  adopt(number: number): Slot | undefined;
  release(slot: Slot): Promise<void>;
  /** Releases the slots that no capsule holds. */
  close(): Promise<void>;
}
