import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Disks } from "../../disks/disks.ts";
import type { HeldMachine } from "../../machines/held-machine.ts";
import type { Machines } from "../../machines/machines.ts";
import type { Capsule } from "../capsule.ts";
import type { JournalEntry } from "../capsule-record.ts";
import { keepDisk, shutDownGuest, stopMachine } from "./pause-to-disk.ts";
import type { PauseToDiskDeps } from "./pause-to-disk.ts";

export interface FinishPauseToDiskDeps extends Pick<PauseToDiskDeps, "clock"> {
  readonly logger: Logger;
  readonly machines: Pick<Machines, "hypervisor" | "openGuest">;
  readonly disks: Pick<Disks, "layers">;
}

/**
 * Completes a pause without memory that an earlier host agent was in the middle of: processes of the capsule may have ended, so that
 * going on is no way back. The caller then ends the machine.
 *
 * @returns false when the host's disk is full and the machine could not write what it had to: then it is taken over.
 */
export async function finishPauseToDisk(
  capsule: Capsule,
  machine: HeldMachine | undefined,
  { step }: JournalEntry,
  deps: FinishPauseToDiskDeps,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (machine) {
      if (step === "shutdown") await shutDownAgain(capsule, machine, deps);
      await stopMachine({ machine });
    }
    const identity = machine?.identity ?? (await deps.machines.hypervisor.identity(signal));
    await keepDisk(capsule, identity, deps, async () => {});
    return true;
  } catch (error) {
    if (!machine || !WrennError.is(error, "disk_full")) throw error;
    deps.logger.error("capsule.pause_not_finished", { capsule: capsule.id, problem: problemOf(error) });
    return false;
  }
}

async function shutDownAgain(
  capsule: Capsule,
  machine: HeldMachine,
  deps: FinishPauseToDiskDeps,
): Promise<void> {
  const guest = deps.machines.openGuest(machine, () => {});
  try {
    await shutDownGuest(capsule, { machine, guest }, deps);
  } finally {
    await guest.detach();
  }
}
