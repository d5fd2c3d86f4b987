import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";

const DESTROY_MS = 60_000;

export interface CapsuleLifecycleDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly operations: Operations;
  /** Ends the creation of a capsule, if it is under way here. */
  readonly cancelCreation: (capsuleId: string) => void;
  readonly logger: Logger;
}

/** Pauses, resumes and destroys capsules, and records states that hosts report (docs/reference/rest-api.md#capsules). */
export class CapsuleLifecycle {
  readonly #deps: CapsuleLifecycleDeps;

  constructor(deps: CapsuleLifecycleDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `capsule_not_running`. */
  async pause(teamId: string, publicId: string): Promise<CapsuleRow> {
    const { rows, fleet, operations } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running"]);
    return await operations.run(row.id, "pause", async () => {
      const status = await fleet.of(row).pauseCapsule(publicId, AbortSignal.timeout(OPERATION_MS));
      return await rows.recordStatus(row, status);
    });
  }

  /** @throws WrennError `capsule_not_paused`, `snapshot_corrupt`, `snapshot_incompatible`. */
  async resume(teamId: string, publicId: string): Promise<CapsuleRow> {
    const { rows, fleet, operations } = this.#deps;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "paused") throw new WrennError("capsule_not_paused", { status: row.status });
    return await operations.run(row.id, "resume", async () => {
      const status = await fleet.of(row).resumeCapsule(publicId, AbortSignal.timeout(OPERATION_MS));
      return await rows.recordStatus(row, status);
    });
  }

  /**
   * Destroys a capsule in whatever state it is; may be repeated. When its host does not answer, it is stopped for its team at
   * once, and is destroyed when the host is back.
   */
  async destroy(teamId: string, publicId: string): Promise<void> {
    const { rows, fleet, operations, cancelCreation, logger } = this.#deps;
    const row = await rows.get(teamId, publicId);
    await operations.run(row.id, "destroy", async () => {
      cancelCreation(row.id);
      try {
        await fleet.of(row).destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
      } catch (error) {
        if (!(error instanceof WrennError && error.entry.code === "host_unavailable")) throw error;
        logger.warn("capsule.destroyed_later", { capsule: publicId });
      }
      await rows.recordDestroyed(row.id);
    });
  }

  /** Destroys every capsule that a team has now. */
  async destroyAll(teamId: string): Promise<void> {
    for (const { id } of await this.#deps.rows.list(teamId))
      await this.destroy(teamId, formatId("capsule", id));
  }

  /** Records what hosts report without an operation: failures, and pauses of idle capsules. @returns the unsubscriber. */
  followHosts(): () => void {
    const { rows, fleet, operations, logger } = this.#deps;
    return fleet.observe((status, hostId) => {
      operations.background(rows.recordReported(status, hostId)).catch((error: unknown) => {
        logger.error("capsule.state_lost", { capsule: status.id, problem: problemOf(error) });
      });
    });
  }
}
