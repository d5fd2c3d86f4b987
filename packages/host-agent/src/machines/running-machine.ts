import { WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Slot } from "@wrenn/network";
import type { Machine } from "@wrenn/vmm";
import type { ServedPages } from "../memory/memory.ts";

/** A restored guest answers in a fraction of a second; on a saturated host it may take many times that. */
export const GUEST_ANSWER_MS = 30_000;

/** What a capsule holds while it has a machine. */
export interface RunningMachine {
  readonly machine: Machine;
  readonly guest: GuestLink;
  readonly slot: Slot;
  /** While the machine's memory may be incomplete: what brings it in. */
  readonly pages?: ServedPages;
}

/** A machine that is restored and stopped before its capsule exists, with its slot and disk. */
export interface PreparedMachine {
  readonly machine: Machine;
  /**
   * Has answered already, if only the guest agent has run so far: a template with processes of a user stays stopped until
   * the network policy of its capsule holds.
   */
  readonly guest?: GuestLink;
  /** What to call for bytes from or to the guest; the taker sets it. */
  readonly activity: { onActivity: () => void };
  readonly slot: Slot;
  /** The directory that becomes that of a capsule. */
  readonly name: string;
}

/** Settles as `work` does, or rejects with `machine_died` as soon as the machine is dead. */
export async function whileAlive<T>({ death }: Pick<Machine, "death">, work: Promise<T>): Promise<T> {
  const died = death.then(({ detail }) => {
    throw new WrennError("machine_died", { problem: detail });
  });
  return await Promise.race([work, died]);
}
