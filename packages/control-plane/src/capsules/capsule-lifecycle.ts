import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { asHostCall } from "./host-phases.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";

const DESTROY_MS = 60_000;
/** For a host to answer what it has just reported. The next comparison with the host finds what it does not answer in time. */
const STATUS_MS = 10_000;

export interface CapsuleLifecycleDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly operations: Operations;
  /** Ends the creation of a capsule, if it is under way here. */
  readonly cancelCreation: (capsuleId: string) => void;
  readonly logger: Logger;
}

/** Whether the memory of a capsule is kept by its pause, or used by its resume; default: yes. */
export interface MemoryOption {
  readonly memory?: boolean | undefined;
}

/** Pauses, resumes and destroys capsules, and records states that hosts report (docs/reference/rest-api.md#capsules). */
export class CapsuleLifecycle {
  readonly #deps: CapsuleLifecycleDeps;

  constructor(deps: CapsuleLifecycleDeps) {
    this.#deps = deps;
  }

  /**
   * Without `memory` the processes of the capsule end and its disk alone is kept.
   *
   * @throws WrennError `capsule_not_running`.
   */
  async pause(teamId: string, publicId: string, { memory = true }: MemoryOption = {}): Promise<CapsuleRow> {
    const { rows, fleet, operations } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running"]);
    return await operations.runRecorded(row.id, "pause", async (finishes) => {
      const host = fleet.of(row);
      const limit = AbortSignal.timeout(OPERATION_MS);
      const status = await asHostCall(() =>
        memory ? host.pauseCapsule(publicId, limit) : host.pauseToDisk(publicId, limit),
      );
      return await rows.recordStatus(row, status, { finishes });
    });
  }

  /**
   * Without `memory` the capsule is booted from its disk, as one is whose disk alone was kept.
   *
   * @throws WrennError `capsule_not_paused`, `snapshot_corrupt`, `snapshot_incompatible`.
   */
  async resume(teamId: string, publicId: string, { memory = true }: MemoryOption = {}): Promise<CapsuleRow> {
    const { rows, fleet, operations } = this.#deps;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "paused") throw new WrennError("capsule_not_paused", { status: row.status });
    return await operations.runRecorded(row.id, "resume", async (finishes) => {
      const host = fleet.of(row);
      const limit = AbortSignal.timeout(OPERATION_MS);
      const status = await asHostCall(() =>
        memory ? host.resumeCapsule(publicId, limit) : host.bootCapsule(publicId, limit),
      );
      return await rows.recordStatus(row, status, { finishes });
    });
  }

  /**
   * Destroys a capsule in whatever state it is; may be repeated. When its host does not answer, it is stopped for its team at
   * once, and is destroyed when the host is back.
   */
  async destroy(teamId: string, publicId: string): Promise<void> {
    const { rows, fleet, operations, cancelCreation, logger } = this.#deps;
    const row = await rows.get(teamId, publicId);
    await operations.runRecorded(row.id, "destroy", async (operationId) => {
      cancelCreation(row.id);
      try {
        await fleet.of(row).destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
      } catch (error) {
        if (!(error instanceof WrennError && error.entry.code === "host_unavailable")) throw error;
        logger.warn("capsule.destroyed_later", { capsule: publicId });
      }
      if (!(await rows.recordDestroyed(row.id, operationId))) await operations.succeed(operationId);
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
      const ask = (): Promise<CapsuleStatus> =>
        fleet.agent(hostId).capsule(status.id, AbortSignal.timeout(STATUS_MS));
      operations.background(rows.recordReported(status, hostId, ask)).catch((error: unknown) => {
        logger.error("capsule.state_lost", { capsule: status.id, problem: problemOf(error) });
      });
    });
  }
}
