import type { HostAgentDeps } from "../../host-agent-deps.ts";
import type { Generation } from "../../generations/generation.ts";
import { verifyGeneration } from "../../generations/verify-generation.ts";
import type { RunningMachine } from "../../machines/running-machine.ts";
import type { Capsule } from "../capsule.ts";
import { startMachine, journalOf } from "./start-machine.ts";

/**
 * Starts a paused capsule from one of its generations. When that fails the capsule is paused as before, with every generation
 * as it was.
 *
 * @throws WrennError `snapshot_corrupt`, `snapshot_incompatible`, `machine_start_failed`, …
 */
export async function resumeCapsule(
  capsule: Capsule,
  generation: Generation,
  deps: HostAgentDeps,
  signal: AbortSignal,
): Promise<RunningMachine> {
  const { directory } = capsule;
  const files = directory.generation(generation.id);
  await verifyGeneration(generation, files, await deps.machines.hypervisor.identity(signal));
  capsule.enter("resuming");
  try {
    return await startMachine(
      capsule,
      { files, packed: generation.packed === true, layers: generation.layers, newIdentity: false },
      deps,
      journalOf<"create" | "resume">("resume", capsule, deps, signal),
      signal,
    );
  } catch (error) {
    capsule.enter("paused");
    throw error;
  } finally {
    await directory.writeJournal({ operation: "none", at: deps.clock.now() });
  }
}
