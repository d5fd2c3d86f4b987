import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Database, CapsuleChange, CapsuleRow, CapsuleRowStatus, TemplateRow } from "@wrenn/database";
import type { CapsuleStatus, CheckpointFacts, MetricPoint, MetricRange } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { requireTemplateRoom, withinQuota } from "../teams/quotas.ts";
import type { Operations } from "../capsules/operations.ts";
import type { TemplatesService } from "../templates/templates.ts";

const VERB_MS = 5 * 60_000;

export interface CapsuleLifeOptions {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  readonly random: Random;
}

/** The rows that the verbs work on. */
export interface CapsuleRows {
  get(teamId: string, publicId: string): Promise<CapsuleRow>;
  change(
    id: string,
    from: readonly CapsuleRowStatus[],
    change: CapsuleChange,
  ): Promise<CapsuleRow | undefined>;
}

/** Pause, resume, checkpoints, forks and snapshots of capsules (contract 10 §6 and §9). */
export class CapsuleLife {
  readonly #options: CapsuleLifeOptions;
  readonly #rows: CapsuleRows;
  /** Resumes under way, so that many users of a sleeping capsule wake it once. */
  readonly #waking = new Map<string, Promise<CapsuleRow>>();

  constructor(options: CapsuleLifeOptions, rows: CapsuleRows) {
    this.#options = options;
    this.#rows = rows;
  }

  /** @throws WrennError `capsule_not_running`. */
  async pause(teamId: string, publicId: string): Promise<CapsuleRow> {
    const row = await this.#require(teamId, publicId, "running");
    return await this.#options.operations.run(row.id, "pause", async () => {
      const status = await this.#options.fleet.of(row).pauseCapsule(publicId, AbortSignal.timeout(VERB_MS));
      return await this.#follow(row, status);
    });
  }

  /** @throws WrennError `capsule_not_paused`, `snapshot_corrupt`, `snapshot_incompatible`. */
  async resume(teamId: string, publicId: string): Promise<CapsuleRow> {
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== "paused") throw new WrennError("capsule_not_paused", { status: row.status });
    return await this.#options.operations.run(row.id, "resume", async () => {
      const status = await this.#options.fleet.of(row).resumeCapsule(publicId, AbortSignal.timeout(VERB_MS));
      return await this.#follow(row, status);
    });
  }

  /** Resumes a capsule that somebody wants to use; who comes meanwhile waits for the same resume. */
  async wake(teamId: string, publicId: string): Promise<CapsuleRow> {
    const known = this.#waking.get(publicId);
    if (known) return await known;
    const waking = this.#wake(teamId, publicId).finally(() => this.#waking.delete(publicId));
    this.#waking.set(publicId, waking);
    return await waking;
  }

  /** @throws WrennError `metrics_unavailable` for a capsule that has ended or not begun. */
  async metrics(teamId: string, publicId: string, range: MetricRange): Promise<readonly MetricPoint[]> {
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused")
      throw new WrennError("metrics_unavailable", { status: row.status });
    return await this.#options.fleet.of(row).metrics(publicId, range, AbortSignal.timeout(VERB_MS));
  }

  async checkpoint(teamId: string, publicId: string, name: string | undefined): Promise<CheckpointFacts> {
    const row = await this.#require(teamId, publicId, "running");
    return await this.#options.operations.run(row.id, "checkpoint", () =>
      this.#options.fleet.of(row).checkpointCapsule(publicId, name, AbortSignal.timeout(VERB_MS)),
    );
  }

  async checkpoints(teamId: string, publicId: string): Promise<readonly CheckpointFacts[]> {
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused") return [];
    return await this.#options.fleet.of(row).listCheckpoints(publicId, AbortSignal.timeout(VERB_MS));
  }

  /** @throws WrennError `checkpoint_not_found`, `capsule_not_running` for a capsule that has ended. */
  async restore(teamId: string, publicId: string, checkpoint: string): Promise<CapsuleRow> {
    const row = await this.#alive(teamId, publicId);
    return await this.#options.operations.run(row.id, "restore", async () => {
      const status = await this.#options.fleet
        .of(row)
        .restoreCheckpoint(publicId, checkpoint, AbortSignal.timeout(VERB_MS));
      return await this.#follow(row, status);
    });
  }

  async deleteCheckpoint(teamId: string, publicId: string, checkpoint: string): Promise<void> {
    const row = await this.#alive(teamId, publicId);
    await this.#options.fleet.of(row).deleteCheckpoint(publicId, checkpoint, AbortSignal.timeout(VERB_MS));
  }

  /** All children run when it resolves; when it rejects none is left. */
  async fork(teamId: string, publicId: string, count: number): Promise<readonly CapsuleRow[]> {
    const { database, fleet, operations, random } = this.#options;
    const source = await this.#require(teamId, publicId, "running");
    const wanted = { capsules: count, vcpus: count * source.vcpus, memoryMib: count * source.memory_mb };
    const hostId = source.host_id ?? missing(source);
    const { children, operation } = await withinQuota(database, teamId, wanted, async (trx) => {
      const rows: CapsuleRow[] = [];
      for (let n = 0; n < count; n++) {
        rows.push(
          await capsuleQueries.insertCapsule(trx, {
            id: random.uuid(),
            teamId,
            hostId,
            template: source.template,
            vcpus: source.vcpus,
            memoryMib: source.memory_mb,
            diskMib: source.disk_mb,
            timeoutSec: source.timeout_sec,
            maxLifetimeSec: source.max_lifetime_sec,
            autoResume: source.auto_resume,
            ...(source.network ? { network: source.network } : {}),
          }),
        );
      }
      const ids = [source.id, ...rows.map(({ id }) => id)];
      return { children: rows, operation: await operations.begin(trx, ids, "fork") };
    });
    return await operations.finish(operation, async () => {
      try {
        const started = await fleet.of(source).forkCapsule(
          publicId,
          children.map((child) => ({
            id: formatId("capsule", child.id),
            template: child.template,
            vcpus: child.vcpus,
            memoryMib: child.memory_mb,
            diskMib: child.disk_mb,
            timeoutSec: child.timeout_sec,
            ...(child.max_lifetime_sec > 0 ? { maxLifetimeSec: child.max_lifetime_sec } : {}),
            ...(source.network ? { network: source.network } : {}),
            envs: {},
          })),
          AbortSignal.timeout(VERB_MS),
        );
        return await Promise.all(
          children.map((child, index) => this.#follow(child, started[index] ?? missing(child))),
        );
      } catch (error) {
        for (const child of children)
          await this.#rows.change(child.id, ["pending"], { status: "error", problem: problemOf(error) });
        throw error;
      }
    });
  }

  /**
   * Makes a template of a capsule, which is paused for it and stays so.
   *
   * @throws WrennError `template_name_reserved`, `template_name_taken`, `snapshot_state` when it neither runs nor is paused.
   */
  async snapshot(
    teamId: string,
    publicId: string,
    { name, overwrite }: { readonly name: string; readonly overwrite: boolean },
  ): Promise<TemplateRow> {
    const { fleet, operations, random, templates } = this.#options;
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused") throw new WrennError("snapshot_state", {});
    const replaces = await templates.requireFree(teamId, name, overwrite);
    if (!replaces) await requireTemplateRoom(this.#options.database, teamId);
    return await operations.run(row.id, "snapshot", async () => {
      const hostAgent = fleet.of(row);
      if (row.status === "running") {
        const status = await hostAgent.pauseCapsule(publicId, AbortSignal.timeout(VERB_MS));
        await this.#follow(row, status);
      }
      const hostKey = `tpl-${random.uuid()}`;
      const hostId = row.host_id ?? missing(row);
      await templates.begin(hostKey, hostId);
      const facts = await hostAgent.createSnapshot(publicId, hostKey, AbortSignal.timeout(VERB_MS));
      const made = {
        teamId,
        name,
        hostKey,
        hostId,
        vcpus: facts.vcpus,
        memoryMib: facts.memoryMib,
        sizeBytes: facts.sizeBytes,
        metadata: row.metadata,
      };
      return await templates.put(made, overwrite);
    });
  }

  async #wake(teamId: string, publicId: string): Promise<CapsuleRow> {
    try {
      return await this.resume(teamId, publicId);
    } catch (error) {
      // Somebody else may have been quicker.
      const row = await this.#rows.get(teamId, publicId);
      if (row.status === "running") return row;
      throw error;
    }
  }

  async #require(teamId: string, publicId: string, status: CapsuleRowStatus): Promise<CapsuleRow> {
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== status) throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  async #alive(teamId: string, publicId: string): Promise<CapsuleRow> {
    const row = await this.#rows.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused")
      throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  /** Writes down what the host says; gives the row as it is then. */
  async #follow(row: CapsuleRow, status: CapsuleStatus): Promise<CapsuleRow> {
    const running = status.state === "running";
    const changed = await this.#rows.change(row.id, ["pending", "starting", "running", "paused", "missing"], {
      status: running ? "running" : "paused",
      hostIp: status.hostAddress ?? null,
      metadata: status.metadata,
      ...(running && row.started_at === null ? { startedAt: this.#options.operations.now() } : {}),
    });
    if (!changed) throw new WrennError("capsule_not_found", {});
    return changed;
  }
}

function missing(row: CapsuleRow): never {
  throw new Error(`the host has nothing for ${row.id}`);
}
