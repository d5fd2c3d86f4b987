import type { CapsuleStatus } from "@wrenn/protocol";
import { NEW_CAPSULE_BYTES } from "./create-capsule.ts";
import { releaseMachine } from "./release-machine.ts";
import type { ReleaseMachineDeps } from "./release-machine.ts";
import { resumeFrom } from "./resume-capsule.ts";
import type { ResumeCapsuleDeps } from "./resume-capsule.ts";

/**
 * Takes a running or paused capsule back to one of its generations; what happened after it is lost. A failure after the
 * machine has ended leaves the capsule paused at that generation.
 */
export async function restoreCheckpoint(
  id: string,
  checkpoint: string,
  deps: ResumeCapsuleDeps & ReleaseMachineDeps,
  signal: AbortSignal,
): Promise<CapsuleStatus> {
  const capsule = deps.registry.require(id);
  const generation = capsule.generation(checkpoint);
  const { running } = capsule;
  if (capsule.state !== "paused") capsule.requireRunning();
  // Before anything of the present is given up.
  (await deps.disks.reserve.claim(NEW_CAPSULE_BYTES, "keep"))[Symbol.dispose]();
  // The link's streams belong to what happened after the checkpoint.
  await running?.guest.detach();
  await capsule.suspended?.detach();
  capsule.suspended = undefined;
  const { slot: _released, served: _incomplete, ...kept } = capsule.record;
  await capsule.replace({ ...kept, state: "paused", current: generation.id, layers: generation.layers });
  capsule.enter("paused");
  if (running) await releaseMachine(capsule, running, deps);
  // Its streams are given up, and its disk would be taken for one that an interrupted operation left.
  await deps.parked.end(id);
  await capsule.directory.tidy(capsule.record);
  return await resumeFrom(capsule, generation, deps, signal);
}
