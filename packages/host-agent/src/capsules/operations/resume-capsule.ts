import { problemOf, WrennError } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import { beginVerification, requireSameHypervisor } from "../../generations/verify-generation.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { ParkedMachines } from "../../parked/parked-machines.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { requireFewLayers } from "../upkeep/settle-generations.ts";
import { NEW_CAPSULE_BYTES } from "./create-capsule.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";
import { originOf } from "./origin-of.ts";
import { startMachine } from "./start-machine.ts";
import type { StartMachineDeps } from "./start-machine.ts";

export interface ResumeCapsuleDeps extends StartMachineDeps, OperationJournalDeps {
  readonly disks: Pick<Disks, "create" | "flatten" | "layers" | "reserve">;
  readonly parked: Pick<ParkedMachines, "end" | "take">;
  readonly registry: CapsuleRegistry;
}

/**
 * Starts a paused capsule from the generation that its last pause wrote.
 *
 * @throws WrennError `capsule_not_paused`, and what {@link requireFewLayers} and {@link resumeFrom} throw.
 */
export async function resumeCapsule(
  id: string,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  if (capsule.state !== "paused")
    throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
  await requireFewLayers(capsule, deps, signal);
  return await resumeFrom(capsule, capsule.currentGeneration(), deps, signal);
}

/**
 * Boots a paused capsule from the disk of its last pause. The memory of that moment stays one that can be gone back to.
 *
 * @throws WrennError `capsule_not_paused`, `machine_start_failed`, `deadline_exceeded`, `disk_full`, …
 */
export async function bootCapsule(
  id: string,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  if (capsule.state !== "paused")
    throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
  await requireFewLayers(capsule, deps, signal);
  return await resumeFrom(capsule, { ...capsule.currentGeneration(), diskOnly: true }, deps, signal);
}

/**
 * Starts a paused capsule from one of its generations. When that fails the capsule is paused as before, with every generation
 * as it was.
 *
 * @throws WrennError `snapshot_corrupt`, `snapshot_incompatible`, `machine_start_failed`, `disk_full`, …
 */
export async function resumeFrom(
  capsule: Capsule,
  generation: Generation,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const journal = new OperationJournal(capsule, "resume", deps, signal);
  capsule.enter("running", await restore(capsule, generation, journal, deps, signal));
  deps.registry.watchForDeath(capsule);
  deps.registry.watchPages(capsule);
  return { ...capsule.status(), phases: journal.phases.times() };
}

async function restore(
  capsule: Capsule,
  generation: Generation,
  journal: OperationJournal<"resume">,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const files = capsule.directory.generation(generation.id);
  // Below this its guest would be stalled at its first write.
  using _room = await deps.disks.reserve.claim(NEW_CAPSULE_BYTES, "keep");
  const identity = await deps.machines.hypervisor.identity(signal);
  try {
    const running = await restoreParked(capsule, generation, identity, journal, deps, signal);
    if (running) return running;
    const { contents } = await beginVerification(generation, files, identity);
    if (capsule.state !== "resuming") capsule.enter("resuming");
    return await startMachine(
      capsule,
      { ...originOf(generation, files), verified: contents, newIdentity: false },
      journal,
      deps,
      signal,
    );
  } catch (error) {
    if (capsule.state === "resuming") capsule.enter("paused");
    throw error;
  } finally {
    await journal.clear();
  }
}

/**
 * Lets the machine run that the pause of this generation left parked. When that fails it has ended.
 *
 * @returns undefined without such a machine, or when that failed: then the generation is started from disk.
 * @throws WrennError `snapshot_incompatible`; the reason of an abort.
 */
async function restoreParked(
  capsule: Capsule,
  generation: Generation,
  identity: string,
  journal: OperationJournal<"resume">,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<RunningMachine | undefined> {
  if (generation.diskOnly) {
    await deps.parked.end(capsule.id);
    return undefined;
  }
  requireSameHypervisor(generation, identity);
  const parked = await deps.parked.take(capsule, generation.id);
  if (!parked) return undefined;
  capsule.enter("resuming");
  const files = capsule.directory.generation(generation.id);
  try {
    return await startMachine(
      capsule,
      { ...originOf(generation, files), parked, newIdentity: false },
      journal,
      deps,
      signal,
    );
  } catch (error) {
    signal.throwIfAborted();
    deps.logger.warn("capsule.parked_resume_failed", { capsule: capsule.id, problem: problemOf(error) });
    return undefined;
  }
}
