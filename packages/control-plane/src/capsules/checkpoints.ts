import { defined } from "@wrenn/core";
import { eventQueries } from "@wrenn/database";
import type { CapsuleRow, Database } from "@wrenn/database";
import type { CheckpointFacts } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { currentActor } from "../http/current-identity.ts";
import type { StorageMeter } from "../hosts/storage-meter.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { asHostCall } from "./host-phases.ts";
import { OPERATION_MS } from "./operations.ts";
import type { Operations } from "./operations.ts";
import { momentClaim } from "./storage-quota.ts";
import type { StorageQuota } from "./storage-quota.ts";

export interface CheckpointsDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly storageQuota: StorageQuota;
  readonly meter: Pick<StorageMeter, "expire">;
}

/** Checkpoints of capsules: moments that a capsule can be restored to. */
export class Checkpoints {
  readonly #deps: CheckpointsDeps;

  constructor(deps: CheckpointsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `capsule_not_running`, `quota_exceeded`, `disk_full`. */
  async create(teamId: string, publicId: string, name: string | undefined): Promise<CheckpointFacts> {
    const { rows, fleet, operations, storageQuota } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running"]);
    const ids = await storageQuota.begin(row, "checkpoint", momentClaim(row, 1));
    return await operations.finish(ids, "checkpoint", async () => {
      const limit = AbortSignal.timeout(OPERATION_MS);
      const facts = await fleet.of(row).checkpointCapsule(publicId, name, limit);
      await storageQuota.settle(row.id, facts.memoryBytes);
      await this.#report(row, "created", facts.id, defined({ name: facts.name }));
      return facts;
    });
  }

  /** Empty for a capsule that neither runs nor is paused. */
  async list(teamId: string, publicId: string): Promise<readonly CheckpointFacts[]> {
    const { rows, fleet } = this.#deps;
    const row = await rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused") return [];
    return await fleet.of(row).listCheckpoints(publicId, AbortSignal.timeout(OPERATION_MS));
  }

  /** @throws WrennError `checkpoint_not_found`, `capsule_not_running` for a capsule that has ended. */
  async restore(teamId: string, publicId: string, checkpoint: string): Promise<CapsuleRow> {
    const { rows, fleet, operations } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running", "paused"]);
    return await operations.run(row.id, "restore", async () => {
      const status = await asHostCall(() =>
        fleet.of(row).restoreCheckpoint(publicId, checkpoint, AbortSignal.timeout(OPERATION_MS)),
      );
      const restored = await rows.recordStatus(row, status, { isNewRun: true });
      await this.#report(row, "restored", checkpoint);
      return restored;
    });
  }

  /** @throws WrennError `checkpoint_not_found`, `capsule_not_running` for a capsule that has ended. */
  async delete(teamId: string, publicId: string, checkpoint: string): Promise<void> {
    const { rows, fleet, meter } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running", "paused"]);
    await fleet.of(row).deleteCheckpoint(publicId, checkpoint, AbortSignal.timeout(OPERATION_MS));
    if (row.host_id !== null) meter.expire(row.host_id);
    await this.#report(row, "deleted", checkpoint);
  }

  async #report(
    row: CapsuleRow,
    what: "created" | "restored" | "deleted",
    checkpoint: string,
    data: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await eventQueries.emitEvent(this.#deps.database.db, {
      teamId: row.team_id,
      kind: `checkpoint.${what}`,
      actor: currentActor(),
      resource: "checkpoint",
      resourceId: `${row.id}/${checkpoint}`,
      data,
    });
  }
}
