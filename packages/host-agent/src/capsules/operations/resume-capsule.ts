import { defined, WrennError } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Disks } from "../../disks/disks.ts";
import type { Generation, GenerationFiles } from "../../generations/generation.ts";
import { beginVerification } from "../../generations/verify-generation.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { requireFewLayers } from "../upkeep/settle-generations.ts";
import { NEW_CAPSULE_BYTES } from "./create-capsule.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";
import { startMachine } from "./start-machine.ts";
import type { MachineOrigin, StartMachineDeps } from "./start-machine.ts";

export interface ResumeCapsuleDeps extends StartMachineDeps, OperationJournalDeps {
  readonly disks: Pick<Disks, "create" | "flatten" | "layers" | "reserve">;
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
  const { contents } = await beginVerification(generation, files, identity);
  capsule.enter("resuming");
  try {
    return await startMachine(
      capsule,
      { ...originOf(generation, files), verified: contents, newIdentity: false },
      journal,
      deps,
      signal,
    );
  } catch (error) {
    capsule.enter("paused");
    throw error;
  } finally {
    await journal.clear();
  }
}

/** What a machine starts from that goes on with a generation. */
export function originOf(
  { booted, diskOnly, layers, packed }: Generation,
  files: GenerationFiles,
): Omit<MachineOrigin, "newIdentity"> {
  if (diskOnly) return { boots: true, layers };
  return { files, packed: packed === true, layers, ...defined({ booted }) };
}
