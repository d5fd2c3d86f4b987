import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleLifecycle } from "./capsule-lifecycle.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

/** How long a request waits for a capsule that is still being created: a little less than the patience of the SDK (docs/reference/rest-api.md#clients). */
const STARTING_MS = 4000;
/** The same for commands, whose clients are prepared to wait. */
export const COMMAND_PATIENCE_MS = 30_000;
const STATE_MS = 10_000;
const POLL_MS = 50;

/** A running capsule that a request uses. Its properties throw `host_unavailable` when its host cannot be reached. */
export interface RunningCapsule {
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Records activity. */
  touch(): Promise<void>;
}

/** Opens capsules for requests. */
export interface CapsuleOpener {
  /**
   * A capsule, which runs when this resolves.
   *
   * @param patienceMs - how long a capsule that is being created or paused is waited for; default: 4 s.
   * @throws WrennError `capsule_not_running`, `capsule_not_found`, `host_unavailable`.
   */
  open(teamId: string, publicId: string, patienceMs?: number): Promise<RunningCapsule>;
}

export interface RunningCapsulesDeps {
  readonly rows: CapsuleRows;
  readonly lifecycle: CapsuleLifecycle;
  readonly fleet: Fleet;
  readonly clock: Clock;
}

/** Capsules that requests use: one that is being created is waited for, one that has `auto_resume` is resumed. */
export class RunningCapsules implements CapsuleOpener {
  readonly #deps: RunningCapsulesDeps;
  /** Resumes in progress by public id, so that concurrent requests share one resume. */
  readonly #resuming = new Map<string, Promise<CapsuleRow>>();

  constructor(deps: RunningCapsulesDeps) {
    this.#deps = deps;
  }

  /** The row of a capsule, which runs when this resolves. @throws like {@link open}. */
  async get(teamId: string, publicId: string, patienceMs = STARTING_MS): Promise<CapsuleRow> {
    let row = await this.#deps.rows.getCreated(teamId, publicId, patienceMs);
    if (row.status === "running" && row.auto_resume) row = await this.#awaitPause(row, publicId, patienceMs);
    if (row.status === "paused" && row.auto_resume) return await this.resume(teamId, publicId);
    // Its state is not known until its host is back.
    if (row.status === "missing") throw new WrennError("host_unavailable", {});
    if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  async open(teamId: string, publicId: string, patienceMs = STARTING_MS): Promise<RunningCapsule> {
    const { rows, fleet } = this.#deps;
    const row = await this.get(teamId, publicId, patienceMs);
    // The first use is recorded as it begins: a capsule that is used is not one that its client left behind.
    if (row.last_active_at === null) await rows.touch(row.id);
    return {
      get processes() {
        return fleet.of(row).processes(publicId);
      },
      get files() {
        return fleet.of(row).files(publicId);
      },
      touch: () => rows.touch(row.id),
    };
  }

  /** Resumes a paused capsule; concurrent callers share one resume. */
  async resume(teamId: string, publicId: string): Promise<CapsuleRow> {
    const known = this.#resuming.get(publicId);
    if (known) return await known;
    const resuming = this.#resume(teamId, publicId).finally(() => this.#resuming.delete(publicId));
    this.#resuming.set(publicId, resuming);
    return await resuming;
  }

  /** Counts as activity. @throws WrennError `capsule_not_running`. */
  async ping(teamId: string, publicId: string): Promise<void> {
    const { rows, fleet } = this.#deps;
    const row = await this.get(teamId, publicId);
    fleet.of(row).hold(publicId)();
    await rows.touch(row.id);
  }

  /** The row of a capsule that runs, or, when its host is pausing it, the row after the pause was recorded. */
  async #awaitPause(before: CapsuleRow, publicId: string, patienceMs: number): Promise<CapsuleRow> {
    const { clock, fleet, rows } = this.#deps;
    const deadline = clock.monotonic() + patienceMs;
    let row = before;
    while (row.status === "running" && clock.monotonic() < deadline) {
      const { state } = await fleet.of(row).capsule(publicId, AbortSignal.timeout(STATE_MS));
      if (state !== "pausing" && state !== "paused") break;
      await clock.sleep(POLL_MS);
      row = await rows.get(row.team_id, publicId);
    }
    return row;
  }

  async #resume(teamId: string, publicId: string): Promise<CapsuleRow> {
    const { rows, lifecycle } = this.#deps;
    try {
      return await lifecycle.resume(teamId, publicId);
    } catch (error) {
      // Another request may have resumed it first.
      const row = await rows.get(teamId, publicId);
      if (row.status === "running") return row;
      throw error;
    }
  }
}
