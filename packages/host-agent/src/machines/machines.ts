import type { GuestLink } from "@wrenn/guest";
import type { NetworkPolicy, Slot, SlotOwner } from "@wrenn/network";
import type { NetworkDecision } from "@wrenn/protocol";
import type { Hypervisor, Machine } from "@wrenn/vmm";
import type { GuestClocks } from "./guest-clocks.ts";
import type { HeldHypervisor, LetRun } from "./held-machine.ts";
import type { MachineStarts } from "./machine-starts.ts";

/** What starts machines, connects them to the network, and reaches the guests in them. `S`: the calls to the slots that are used. */
export interface Machines<S extends keyof Slots = keyof Slots> {
  readonly hypervisor: HeldHypervisor;
  readonly slots: Pick<Slots, S>;
  /**
   * What machines boot with.
   *
   * @param release - of the kernel that a disk has modules of, where it is not new; another one is used when that is gone.
   */
  readonly bootFiles: (signal: AbortSignal, release?: string) => Promise<BootKernel>;
  readonly connectGuest: ConnectGuest;
  /** The same for a guest that cannot answer yet: its requests wait. */
  readonly openGuest: (machine: Pick<Machine, "guestChannel">, onActivity: () => void) => GuestLink;
  readonly letRun: LetRun;
  /** The turns in which machines start. */
  readonly starts: Pick<MachineStarts, "begin">;
  readonly clocks: Pick<GuestClocks, "check" | "doubt" | "isDue">;
}

/** The kernel and the first file system, which has the guest agent. */
export interface BootKernel {
  readonly kernel: string;
  readonly initramfs: string;
  /** See {@link BootSpec.randomizeAddresses}. */
  readonly randomizeAddresses?: boolean;
}

/** The same, as the composition root has them: machines that are not held yet. */
export interface HostMachines extends Pick<Machines, "slots" | "connectGuest" | "openGuest" | "bootFiles"> {
  readonly hypervisor: Hypervisor;
}

/** Connects to the guest agent of a machine. `onActivity` is called for bytes in either direction. */
export type ConnectGuest = (
  machine: Pick<Machine, "guestChannel">,
  onActivity: () => void,
  signal: AbortSignal,
) => Promise<GuestLink>;

/** The part of the slot pool that capsules use. */
export interface Slots {
  acquire(signal: AbortSignal): Promise<Slot>;
  /** Says which capsule the slot has. */
  assignCapsule(slot: Slot, capsule: string): void;
  /** Counts the connections of the slot for a team. */
  assignTeam(slot: Slot, team: string, signal: AbortSignal): Promise<void>;
  /** Replaces what the slot's guest may reach, at once. */
  applyPolicy(slot: Slot, policy: NetworkPolicy, signal: AbortSignal): Promise<void>;
  /** What the slot's guest lately wanted to reach. */
  decisions(slot: Slot, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /** The slot of a machine that outlived an earlier host agent. */
  adopt(number: number, owner?: SlotOwner): Slot | undefined;
  release(slot: Slot): Promise<void>;
  /** Releases the slots that no capsule holds. */
  close(): Promise<void>;
}
