import type { CapsuleStatus } from "@wrenn/protocol";
import type { ConsoleKeeper } from "../../console/console-keeper.ts";
import type { Disks } from "../../disks/disks.ts";
import type { PortConnections } from "../../host-agent-deps.ts";
import type { Machines } from "../../machines/machines.ts";
import { requireNoStall } from "../../machines/running-machine.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { compactLayers, dropOldPauses, verifyNewGeneration } from "../upkeep/settle-generations.ts";
import type { CompactLayersDeps } from "../upkeep/settle-generations.ts";
import { captureGeneration } from "./capture-generation.ts";
import type { CaptureGenerationDeps } from "./capture-generation.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";
import { parkMachine } from "./park-machine.ts";
import type { ParkMachineDeps } from "./park-machine.ts";
import { attempt, releaseMachine } from "./release-machine.ts";
import { undoStop } from "./undo-stop.ts";

/** Compacting a disk is given up after this; the next pause tries again. */
const COMPACT_MS = 10 * 60_000;

export interface PauseCapsuleDeps extends CaptureGenerationDeps, OperationJournalDeps {
  readonly parked: ParkMachineDeps["parked"] & CompactLayersDeps["parked"];
  readonly registry: CapsuleRegistry;
  readonly machines: Pick<Machines<"release">, "hypervisor" | "letRun" | "slots">;
  readonly disks: Disks;
  readonly consoles: Pick<ConsoleKeeper, "collect">;
  readonly connections: Pick<PortConnections, "drain" | "reset">;
}

/**
 * Freezes a running capsule into a new generation and releases its machine, memory and slot, or keeps them until anyone needs them.
 * Open streams wait for the next resume. When it fails the capsule keeps running.
 */
export async function pauseCapsule(
  id: string,
  deps: PauseCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  const running = capsule.requireRunning();
  requireNoStall(running.machine);
  const journal = new OperationJournal(capsule, "pause", deps);
  capsule.enter("pausing", running);
  try {
    await deps.connections.drain(id, signal);
    await commitGeneration(capsule, running, journal, deps, signal);
  } catch (error) {
    capsule.enter("running", running);
    deps.connections.reset(id);
    await attempt(capsule, "journal", () => journal.clear(), deps);
    throw error;
  }
  running.guest.suspend();
  capsule.suspended = running.guest;
  await leaveMachine(capsule, running, journal, deps, () => parkMachine(capsule, running, deps));
  journal.phases.end();
  settleInBackground(capsule, deps);
  return { ...capsule.status(), phases: journal.phases.times() };
}

/** Every layer of a generation is read by later machines of other users and is never written again. */
export async function sealLayers(capsule: Capsule, { layers }: Pick<Disks, "layers">): Promise<void> {
  const ids = new Set(capsule.record.generations.flatMap((generation) => generation.layers));
  for (const id of ids) await layers.seal(id);
}

/** Writes the generation and makes it the one that the capsule resumes from. */
async function commitGeneration(
  capsule: Capsule,
  running: RunningMachine,
  journal: OperationJournal<"pause">,
  deps: PauseCapsuleDeps,
  signal: AbortSignal,
): Promise<void> {
  const { generation } = await captureGeneration(capsule, running, { kind: "pause", journal }, deps, signal);
  try {
    await journal.step("commit");
    const { slot: _released, served: _complete, ...kept } = capsule.record;
    await capsule.replace({
      ...kept,
      state: "paused",
      generations: [...kept.generations, generation],
      nextGeneration: kept.nextGeneration + 1,
      current: generation.id,
    });
  } catch (error) {
    await undoStop(capsule, running, deps);
    throw error;
  } finally {
    for (const layer of generation.layers) deps.disks.layers.unpin(layer);
  }
}

/**
 * The generation is safe, so from here on the pause cannot be undone: what fails is logged, and the rest is done all the same.
 *
 * @param park - keeps the machine; returns false when it has to end.
 */
export async function leaveMachine(
  capsule: Capsule,
  running: RunningMachine,
  journal: OperationJournal<"pause"> | OperationJournal<"pause-disk">,
  deps: Pick<PauseCapsuleDeps, "clock" | "consoles" | "disks" | "logger" | "machines" | "registry">,
  park = async (): Promise<boolean> => false,
): Promise<void> {
  await attempt(capsule, "journal", () => journal.step("release"), deps);
  capsule.enter("paused");
  const isParked = await park();
  // A machine that is stopped for good writes no layer, also while its process ends.
  await Promise.all([
    ...(isParked ? [] : [releaseMachine(capsule, running, deps)]),
    attempt(capsule, "layers", () => sealLayers(capsule, deps.disks), deps),
  ]);
  await attempt(capsule, "journal", () => journal.clear(), deps);
}

/** What the caller does not wait for: reading the generation back, and removing what it replaces. */
export function settleInBackground(
  capsule: Capsule,
  deps: Pick<PauseCapsuleDeps, "disks" | "logger" | "registry"> & Pick<CompactLayersDeps, "parked">,
): void {
  const { registry } = deps;
  const generation = capsule.currentGeneration();
  registry.inBackground(capsule.id, "verification", async () => {
    try {
      await verifyNewGeneration(capsule, generation);
      await registry.queue.run(capsule.id, async () => {
        await dropOldPauses(capsule);
        await compactLayers(
          capsule,
          deps,
          AbortSignal.any([registry.ending, AbortSignal.timeout(COMPACT_MS)]),
        );
      });
    } finally {
      await registry.collectLayers();
    }
  });
}
