import { WrennError } from "@wrenn/core";
import type { CapsuleProcesses, ProcessFacts } from "@wrenn/protocol";
import type { ActivitySource, CapsuleActivity } from "../events/live-activity.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

export interface ObservedCapsulesDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
}

/** Looks at what capsules do, without using them. */
export class ObservedCapsules implements ActivitySource {
  readonly #deps: ObservedCapsulesDeps;

  constructor(deps: ObservedCapsulesDeps) {
    this.#deps = deps;
  }

  async look(teamId: string, publicId: string, signal: AbortSignal): Promise<CapsuleActivity | undefined> {
    const { rows, fleet } = this.#deps;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "running") return undefined;
    const agent = fleet.of(row);
    try {
      const [processes, decisions] = await Promise.all([
        recentProcesses(agent.processes(publicId), signal),
        agent.networkDecisions(publicId, signal),
      ]);
      return { processes, decisions };
    } catch (error) {
      // It was paused or destroyed since its row was read.
      if (isNotRunning(error)) return undefined;
      throw error;
    }
  }
}

/** A host of an earlier version lists the live ones only: what ends between two looks is not seen then. */
async function recentProcesses(
  processes: CapsuleProcesses,
  signal: AbortSignal,
): Promise<readonly ProcessFacts[]> {
  try {
    return await processes.recent(signal);
  } catch (error) {
    if (isNotRunning(error) || signal.aborted) throw error;
    return await processes.list(signal);
  }
}

function isNotRunning(error: unknown): boolean {
  return (
    error instanceof WrennError &&
    (error.reason === "capsule_not_running" || error.reason === "capsule_not_found")
  );
}
