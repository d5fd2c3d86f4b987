import { GroupedWrites, parseId, SharedReads, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type {
  CapsuleChange,
  CapsuleRow,
  CapsuleRowStatus,
  Database,
  Page,
  StartedCapsule,
} from "@wrenn/database";
import type { CapsuleStatus, NetworkRules } from "@wrenn/protocol";
import type { ReportLimits } from "../hosts/report-limits.ts";

const POLL_MS = 50;

/** Every state but the final ones. */
const liveStates: readonly CapsuleRowStatus[] = [
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
];

export interface CapsuleRowsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly reports: ReportLimits;
}

/** The rows of capsules: what the database says about them, and changes of their state by compare-and-set. */
export class CapsuleRows {
  /** UUIDs of capsules that wait by the word of their hosts, as far as that was recorded here. */
  readonly #waiting = new Set<string>();
  readonly #reports: ReportLimits;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #reads: SharedReads<CapsuleRow>;
  readonly #starts: GroupedWrites<StartedCapsule, CapsuleRow | undefined>;

  constructor({ database, clock, reports }: CapsuleRowsDeps) {
    this.#reports = reports;
    this.#database = database;
    this.#clock = clock;
    this.#reads = new SharedReads((ids) => capsuleQueries.findCapsules(database.db, ids));
    this.#starts = new GroupedWrites(async (started) => {
      const rows = new Map(
        (await capsuleQueries.startCapsules(database.db, started, this.#now())).map((row) => [row.id, row]),
      );
      return started.map(({ id }) => rows.get(id));
    });
  }

  /** @throws WrennError `capsule_not_found` for unknown capsules and those of other teams, `invalid_id`. */
  async get(teamId: string, publicId: string): Promise<CapsuleRow> {
    const row = await this.#reads.read(parseId("capsule", publicId));
    if (row?.team_id !== teamId) throw new WrennError("capsule_not_found", {});
    return row;
  }

  /** Like {@link get}, for what needs the capsule in one of these states. @throws WrennError `capsule_not_running`. */
  async getInState(
    teamId: string,
    publicId: string,
    states: readonly CapsuleRowStatus[],
  ): Promise<CapsuleRow> {
    const row = await this.get(teamId, publicId);
    if (!states.includes(row.status)) throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  /** The capsule once its creation has ended, or as it is after `patienceMs`. */
  async getCreated(teamId: string, publicId: string, patienceMs: number): Promise<CapsuleRow> {
    const deadline = this.#clock.monotonic() + patienceMs;
    for (;;) {
      const row = await this.get(teamId, publicId);
      const isBeingCreated = row.status === "pending" || row.status === "starting";
      if (!isBeingCreated || this.#clock.monotonic() >= deadline) return row;
      await this.#clock.sleep(POLL_MS);
    }
  }

  async list(teamId: string, page?: Page): ReturnType<typeof capsuleQueries.listCapsules> {
    return await capsuleQueries.listCapsules(this.#database.db, teamId, page);
  }

  /** @returns the changed row; undefined when it was in none of the states `from`, and nothing was changed. */
  async change(
    id: string,
    from: readonly CapsuleRowStatus[],
    change: CapsuleChange,
  ): Promise<CapsuleRow | undefined> {
    return await capsuleQueries.changeCapsule(this.#database.db, id, from, change, this.#now());
  }

  /** A created capsule runs, and the operation that created it succeeded: one statement. Undefined when it was destroyed. */
  async recordStarted(capsule: StartedCapsule): Promise<CapsuleRow | undefined> {
    return await this.#starts.write(capsule);
  }

  async recordFailed(id: string, problem: string): Promise<void> {
    await this.change(id, liveStates, { status: "error", problem });
  }

  async recordDestroyed(id: string): Promise<void> {
    this.#waiting.delete(id);
    await this.change(id, liveStates, { status: "stopped", hostIp: null });
  }

  /** Records the state in which an operation left a capsule on its host. @throws WrennError `capsule_not_found`. */
  async recordStatus(row: CapsuleRow, status: CapsuleStatus): Promise<CapsuleRow> {
    const running = status.state === "running";
    const changed = await this.change(row.id, ["pending", "starting", "running", "paused", "missing"], {
      status: running ? "running" : "paused",
      hostIp: status.hostAddress ?? null,
      problem: status.problem ?? null,
      metadata: status.metadata,
      ...(running && row.started_at === null ? { startedAt: this.#now() } : {}),
    });
    if (!changed) throw new WrennError("capsule_not_found", {});
    return changed;
  }

  /**
   * Records a change that a host reported without an operation: the capsule failed, was paused because it was idle, or waits
   * because the host's disk is full. That it continues, and what is reported too often, is recorded by the next comparison with its host.
   */
  async recordReported(status: CapsuleStatus, hostId: string): Promise<void> {
    const id = parseId("capsule", status.id);
    if (status.state === "running") {
      const isChanged = status.problem !== undefined || this.#waiting.has(id);
      if (!isChanged || !this.#reports.take(hostId, id)) return;
    } else if (status.state !== "failed" && status.state !== "paused") return;
    const row = await capsuleQueries.findAnyCapsule(this.#database.db, id);
    if (row?.host_id !== hostId) return;
    this.#waiting.delete(id);
    if (status.state === "failed") {
      await this.change(id, ["running", "paused"], {
        status: "error",
        hostIp: null,
        problem: status.problem ?? "the capsule failed",
      });
    } else if (status.state === "running") {
      if (status.problem !== undefined) this.#waiting.add(id);
      await this.change(id, ["running"], { status: "running", problem: status.problem ?? null });
    } else await this.change(id, ["running"], { status: "paused", hostIp: null });
  }

  async setNetwork(id: string, network: NetworkRules): Promise<void> {
    await capsuleQueries.setCapsuleNetwork(this.#database.db, id, network);
  }

  /** Records activity in a capsule. */
  async touch(id: string): Promise<void> {
    await capsuleQueries.touchCapsule(this.#database.db, id, this.#now());
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}
