import { rm } from "node:fs/promises";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { ConsoleKeeper } from "../../console/console-keeper.ts";
import type { Disks } from "../../disks/disks.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { ParkedMachines } from "../../parked/parked-machines.ts";
import type { Capsule } from "../capsule.ts";

/** The disk is switched in milliseconds; without an answer after this the machine ends. */
const SWITCH_MS = 5000;

export interface ParkMachineDeps {
  readonly logger: Logger;
  readonly parked: Pick<ParkedMachines, "park">;
  readonly disks: Pick<Disks, "create" | "layers">;
  readonly consoles: Pick<ConsoleKeeper, "collect">;
}

/**
 * Keeps the stopped machine of a capsule that was paused, so that the next resume lets it run. What it writes from then on is a disk
 * above the one that the pause froze, as after a start from disk. Runs in the capsule's queue, before the layers are sealed.
 *
 * @returns whether it is kept; otherwise the caller ends it. It does not throw: what fails is logged.
 */
export async function parkMachine(
  capsule: Capsule,
  { machine, slot, pages }: RunningMachine,
  deps: ParkMachineDeps,
): Promise<boolean> {
  const { directory, record, spec } = capsule;
  const { id, layers } = capsule.currentGeneration();
  const overlay = record.overlay + 1;
  const path = directory.overlay(overlay);
  const prepare = async (): Promise<{ readonly generation: string; readonly overlay: number }> => {
    const signal = AbortSignal.timeout(SWITCH_MS);
    await rm(path, { force: true });
    await deps.disks.create(
      { path, backing: deps.disks.layers.path(layers.at(-1) ?? ""), sizeMib: spec.diskMib },
      signal,
    );
    await machine.switchDisk(path, signal);
    await deps.consoles.collect(directory);
    await pages?.stop();
    return { generation: id, overlay };
  };
  try {
    return await deps.parked.park(capsule, { machine, slot }, prepare);
  } catch (error) {
    deps.logger.warn("capsule.not_parked", { capsule: capsule.id, problem: problemOf(error) });
    await rm(path, { force: true }).catch(() => {});
    return false;
  }
}
