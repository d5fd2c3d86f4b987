import { WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Slot } from "@wrenn/network";
import type { Machine, MachineStall } from "@wrenn/vmm";
import type { ServedPages } from "../memory/memory.ts";
import type { HeldMachine } from "./held-machine.ts";

/** A restored guest answers in a fraction of a second; on a saturated host it may take many times that. */
export const GUEST_ANSWER_MS = 30_000;

/** What a capsule holds while it has a machine. */
export interface RunningMachine {
  readonly machine: HeldMachine;
  readonly guest: GuestLink;
  readonly slot: Slot;
  /** While the machine's memory may be incomplete: what brings it in. */
  readonly pages?: ServedPages;
}

/** A machine that is restored and stopped before its capsule exists, with its slot and disk. */
export interface PreparedMachine {
  readonly machine: HeldMachine;
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

/**
 * Settles as `work` does, which a guest has to answer. Rejects with `machine_died` as soon as the machine is dead, and with
 * `disk_full` as soon as the host has no room for what the guest writes: it would not answer until there is room.
 */
export async function whileAlive<T>(
  machine: Pick<Machine, "death" | "stall" | "onStall">,
  work: Promise<T>,
): Promise<T> {
  const stalled = Promise.withResolvers<never>();
  const died = machine.death.then(({ detail }) => {
    throw new WrennError("machine_died", { problem: detail });
  });
  const onStall = (stall: MachineStall | undefined): void => {
    if (stall) stalled.reject(new WrennError("disk_full", { path: stall.path }));
  };
  const unsubscribe = machine.onStall(onStall);
  onStall(machine.stall);
  try {
    return await Promise.race([work, died, stalled.promise]);
  } finally {
    unsubscribe();
  }
}

/** @throws WrennError `disk_full` while the host has no room for what the machine's guest writes. */
export function requireNoStall({ stall }: Pick<Machine, "stall">): void {
  if (stall) throw new WrennError("disk_full", { path: stall.path });
}

/**
 * Does what a guest has to answer; in a stalled machine once that runs again. Work that a stall interrupts is aborted and done
 * again afterwards.
 *
 * @param failed - called with the error of work that is done later.
 */
export async function onceRunning(
  machine: Pick<Machine, "death" | "stall" | "onStall">,
  work: (signal: AbortSignal) => Promise<void>,
  failed: (error: unknown) => void,
): Promise<void> {
  if (!machine.stall) {
    const attempt = new AbortController();
    try {
      return await whileAlive(machine, work(attempt.signal));
    } catch (error) {
      if (!WrennError.is(error, "disk_full")) throw error;
      attempt.abort(error);
    }
  }
  const again = (): void => void onceRunning(machine, work, failed).catch(failed);
  if (!machine.stall) return again();
  const unsubscribe = machine.onStall((stall) => {
    if (stall) return;
    unsubscribe();
    again();
  });
}
