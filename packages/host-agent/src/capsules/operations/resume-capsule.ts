import { WrennError } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import { verifyGeneration } from "../../generations/verify-generation.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { NEW_CAPSULE_BYTES } from "./create-capsule.ts";
import { OperationJournal } from "./operation-journal.ts";
import type { OperationJournalDeps } from "./operation-journal.ts";
import { startMachine } from "./start-machine.ts";
import type { StartMachineDeps } from "./start-machine.ts";

export interface ResumeCapsuleDeps extends StartMachineDeps, OperationJournalDeps {
  readonly disks: Pick<Disks, "create" | "layers" | "reserve">;
  readonly registry: CapsuleRegistry;
}

/**
 * Starts a paused capsule from the generation that its last pause wrote.
 *
 * @throws WrennError `capsule_not_paused`, and what {@link resumeFrom} throws.
 */
export async function resumeCapsule(
  id: string,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  if (capsule.state !== "paused")
    throw new WrennError("capsule_not_paused", { status: capsule.publicState() });
  return await resumeFrom(capsule, capsule.currentGeneration(), deps, signal);
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
  capsule.enter("running", await restore(capsule, generation, deps, signal));
  deps.registry.watchForDeath(capsule);
  deps.registry.watchPages(capsule);
  return capsule.status();
}

async function restore(
  capsule: Capsule,
  generation: Generation,
  deps: ResumeCapsuleDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const files = capsule.directory.generation(generation.id);
  // Below this its guest would be stalled at its first write.
  using _room = await deps.disks.reserve.claim(NEW_CAPSULE_BYTES, "keep");
  await verifyGeneration(generation, files, await deps.machines.hypervisor.identity(signal));
  const journal = new OperationJournal(capsule, "resume", deps, signal);
  capsule.enter("resuming");
  try {
    return await startMachine(
      capsule,
      { files, packed: generation.packed === true, layers: generation.layers, newIdentity: false },
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
