import { defined, formatId, GroupedWrites, parseId, SharedReads, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { capsuleListQueries, capsuleQueries } from "@wrenn/database";
import type {
  CapsuleChange,
  CapsuleFilter,
  CapsuleListOptions,
  CapsuleRow,
  CapsuleRowStatus,
  Database,
  StartedCapsule,
} from "@wrenn/database";
import type { CapsuleStatus } from "@wrenn/protocol";
import { roundedPhases } from "../http/current-phases.ts";
import { conditionKey, conditionOf, saysCondition } from "../hosts/reported-condition.ts";
import type { ReportLimits } from "../hosts/report-limits.ts";
import { isCapsuleName } from "../http/capsule-names.ts";

const POLL_MS = 50;
/** Of a guest that answers and has everything that it needs. */
const WELL = conditionKey({});

/** Every state but the final ones. */
const liveStates: readonly CapsuleRowStatus[] = [
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
];

export interface StatusOptions {
  /** A run begins, also of a capsule that was running before. */
  readonly isNewRun?: boolean;
  /** The operation that succeeds with it, in the same statement. */
  readonly finishes?: string;
}

export interface CapsuleRowsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly reports: ReportLimits;
}

/** The rows of capsules: what the database says about them, and changes of their state by compare-and-set. */
export class CapsuleRows {
  /** UUIDs of capsules that wait by the word of their hosts, as far as that was recorded here. */
  readonly #waiting = new Set<string>();
  /** How guests are by the word of their hosts, by the UUIDs of their capsules, as far as that was recorded here. */
  readonly #conditions = new Map<string, string>();
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

  /**
   * The capsule once its creation has ended, or as it is after `patienceMs`.
   *
   * @param signal - ends the wait, which changes nothing; with its reason.
   */
  async getCreated(
    teamId: string,
    publicId: string,
    patienceMs: number,
    signal?: AbortSignal,
  ): Promise<CapsuleRow> {
    const deadline = this.#clock.monotonic() + patienceMs;
    for (;;) {
      const row = await this.get(teamId, publicId);
      const isBeingCreated = row.status === "pending" || row.status === "starting";
      if (!isBeingCreated || this.#clock.monotonic() >= deadline) return row;
      await this.#clock.sleep(POLL_MS, signal);
    }
  }

  async list(
    teamId: string,
    options?: CapsuleListOptions,
  ): ReturnType<typeof capsuleListQueries.listCapsules> {
    return await capsuleListQueries.listCapsules(this.#database.db, teamId, options);
  }

  async count(teamId: string, filter: CapsuleFilter): Promise<number> {
    return await capsuleListQueries.countCapsules(this.#database.db, teamId, filter);
  }

  /**
   * The public id of a capsule that a client names by its id or its name. Ids are returned as they are; a name is of a capsule of
   * this team that has not ended.
   *
   * @throws WrennError `capsule_not_found` for the name of one that has ended, `capsule_name_unknown` for a text that none has had as its
   *   name, `invalid_id` for what cannot be one.
   */
  async resolve(teamId: string, idOrName: string): Promise<string> {
    if (!isCapsuleName(idOrName)) {
      parseId("capsule", idOrName);
      return idOrName;
    }
    const id = await capsuleListQueries.findCapsuleId(this.#database.db, teamId, idOrName);
    if (id !== undefined) return formatId("capsule", id);
    const hasEnded = await capsuleListQueries.wasName(this.#database.db, teamId, idOrName);
    throw hasEnded ? new WrennError("capsule_not_found", {}) : new WrennError("capsule_name_unknown", {});
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

  /**
   * @param finishes - the operation that succeeds with it, in the same statement.
   * @returns false when it had been recorded before; the operation goes on then.
   */
  async recordDestroyed(id: string, finishes?: string): Promise<boolean> {
    this.#waiting.delete(id);
    this.#conditions.delete(id);
    const change = { status: "stopped" as const, hostIp: null, ...defined({ finishes }) };
    return (await this.change(id, liveStates, change)) !== undefined;
  }

  /**
   * Records the state in which an operation left a capsule on its host.
   *
   * @param isNewRun - a running capsule was started again: its lifetime begins.
   * @throws WrennError `capsule_not_found`.
   */
  async recordStatus(
    row: CapsuleRow,
    status: CapsuleStatus,
    { isNewRun = false, finishes }: StatusOptions = {},
  ): Promise<CapsuleRow> {
    const running = status.state === "running";
    const changed = await this.change(row.id, ["pending", "starting", "running", "paused", "missing"], {
      status: running ? "running" : "paused",
      hostIp: status.hostAddress ?? null,
      problem: status.problem ?? null,
      metadata: status.metadata,
      isNewRun: running && isNewRun,
      kept: status.kept ?? null,
      diskAtBoot: status.diskAtBoot ?? null,
      phases: roundedPhases(),
      ...defined({ finishes }),
      ...(running && row.started_at === null ? { startedAt: this.#now() } : {}),
    });
    if (!changed) throw new WrennError("capsule_not_found", {});
    return changed;
  }

  /**
   * Records a change that a host reported without an operation: the capsule failed, was paused because it was idle, was destroyed
   * at the end of its lifetime, waits because the host's disk is full, or its guest does not answer or is short of disk or memory.
   * That it continues, and what is reported too often, is recorded by the next comparison with its host.
   *
   * @param ask - asks the host for the status of the capsule now.
   */
  async recordReported(
    status: CapsuleStatus,
    hostId: string,
    ask: () => Promise<CapsuleStatus>,
  ): Promise<void> {
    const id = parseId("capsule", status.id);
    if (status.state === "running") {
      const isChanged =
        status.problem !== undefined ||
        this.#waiting.has(id) ||
        conditionKey(conditionOf(status)) !== (this.#conditions.get(id) ?? WELL);
      if (!isChanged || !this.#reports.take(hostId, id)) return;
    } else if (status.state === "paused") {
      await this.#recordPaused(id, hostId, ask);
      return;
    } else if (status.state !== "failed" && status.state !== "gone") return;
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
      const condition = conditionOf(status);
      const isKnown = row.problem === (status.problem ?? null) && saysCondition(row, condition);
      if (!isKnown)
        await this.change(id, ["running"], { status: "running", problem: status.problem ?? null, condition });
      this.#noteCondition(id, conditionKey(condition));
    } else if (row.on_lifetime_end === "destroy") {
      // Others are destroyed by operations, which record it themselves.
      await this.recordDestroyed(id);
    }
  }

  /**
   * Records that a host paused a capsule. Hosts report each pause, also that of an operation before its answer, and that of a restore on
   * its way to running; reports can arrive after later answers. So an operation records its own pause, with its phases, and otherwise
   * the report counts only as far as the host still says the same after the row was read.
   */
  async #recordPaused(id: string, hostId: string, ask: () => Promise<CapsuleStatus>): Promise<void> {
    const row = await capsuleQueries.findSettledCapsule(this.#database.db, id);
    if (row?.host_id !== hostId || row.status !== "running") return;
    const { state, kept = null } = await ask();
    if (state !== "paused") return;
    this.#waiting.delete(id);
    await this.change(id, ["running"], { status: "paused", hostIp: null, kept, version: row.version });
  }

  #noteCondition(id: string, key: string): void {
    if (key === WELL) this.#conditions.delete(id);
    else this.#conditions.set(id, key);
  }

  /** Records activity in a capsule. */
  async touch(id: string): Promise<void> {
    await capsuleQueries.touchCapsule(this.#database.db, id, this.#now());
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}
