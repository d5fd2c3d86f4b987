import { problemOf } from "@wrenn/core";
import type { HostAgentDependencies } from "../dependencies.ts";
import { CapsuleDirectory } from "./capsule-directory.ts";

/**
 * Ends every machine that an earlier host agent left running when it was killed, and removes its capsule. Network slots are
 * swept by their pool, which finds them in the kernel.
 */
export async function removeLeftCapsules(deps: HostAgentDependencies, signal: AbortSignal): Promise<void> {
  for (const id of await CapsuleDirectory.list(deps.capsulesDirectory)) {
    const directory = new CapsuleDirectory(deps.capsulesDirectory, id);
    try {
      const machine = await deps.hypervisor.adopt(directory.run, signal);
      await machine?.destroy();
      await directory.remove();
      deps.logger.warn("capsule.removed_after_crash", { capsule: id, machine: machine ? "ended" : "gone" });
    } catch (error) {
      // One capsule that resists must not keep the others, and the server, from starting.
      deps.logger.error("capsule.removal_failed", { capsule: id, problem: problemOf(error) });
    }
  }
}
