import { parseId, problemOf, WrennError } from "@wrenn/core";
import { capsuleQueries } from "@wrenn/database";
import type { Page, CapsuleRow, CapsuleRowStatus } from "@wrenn/database";
import type { CapsuleStatus, NetworkDecision, NetworkRules } from "@wrenn/protocol";
import { CapsuleCreation } from "./capsule-creation.ts";
import type { CapsuleCreationOptions } from "./capsule-creation.ts";
import { CapsuleLife } from "./capsule-lifecycle.ts";
import type { Operations } from "../capsules/operations.ts";
import { SharedReads } from "@wrenn/core";

/** How long a request waits for a capsule that is still being made: a little less than the patience of the SDK (contract 50 §1.1). */
const STARTING_MS = 4000;
/** The same for commands, whose clients are prepared to wait. */
export const COMMAND_PATIENCE_MS = 30_000;
const NETWORK_MS = 30_000;
const STATE_MS = 10_000;
const DESTROY_MS = 60_000;
const POLL_MS = 50;

const liveStates: readonly CapsuleRowStatus[] = [
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
];

/**
 * Capsules of teams: what the database says of them, and what the host is asked to do. What was begun is finished, whether or
 * not the client still waits.
 */
export class CapsulesService {
  readonly #options: CapsuleCreationOptions;
  readonly #unsubscribe: () => void;
  readonly #operations: Operations;
  readonly #reads: SharedReads<CapsuleRow>;
  readonly creation: CapsuleCreation;
  /** Pause, resume, checkpoints, forks. */
  readonly life: CapsuleLife;

  constructor(options: CapsuleCreationOptions) {
    this.#options = options;
    this.#operations = options.operations;
    this.#reads = new SharedReads((ids) => capsuleQueries.findCapsules(options.database.db, ids));
    this.creation = new CapsuleCreation(options, {
      get: (teamId, publicId) => this.get(teamId, publicId),
      made: (teamId, publicId, patienceMs) => this.#made(teamId, publicId, patienceMs),
      failed: async (id, problem) => void (await this.#change(id, liveStates, { status: "error", problem })),
      now: () => this.#now(),
    });
    this.life = new CapsuleLife(options, {
      get: (teamId, publicId) => this.get(teamId, publicId),
      change: (id, from, change) => this.#change(id, from, change),
    });
    this.#unsubscribe = options.fleet.observe((status, hostId) => {
      this.#operations.background(this.#follow(status, hostId)).catch((error: unknown) => {
        options.logger.error("capsule.state_lost", { capsule: status.id, problem: problemOf(error) });
      });
    });
  }

  /** The capsule as soon as it is made, or as it is after `patienceMs`. */
  async #made(teamId: string, publicId: string, patienceMs: number): Promise<CapsuleRow> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + patienceMs;
    for (;;) {
      const row = await this.get(teamId, publicId);
      const isBeingMade = row.status === "pending" || row.status === "starting";
      if (!isBeingMade || clock.monotonic() >= deadline) return row;
      await clock.sleep(POLL_MS);
    }
  }

  /** @throws WrennError `capsule_not_found` for unknown and foreign ones, `invalid_id`. */
  async get(teamId: string, publicId: string): Promise<CapsuleRow> {
    const row = await this.#reads.read(parseId("capsule", publicId));
    if (row?.team_id !== teamId) throw new WrennError("capsule_not_found", {});
    return row;
  }

  /**
   * Like {@link get}, but the capsule must be running; one that is being made is waited for, one that wants it is resumed.
   *
   * @param patienceMs - how long it is waited for.
   * @throws WrennError `capsule_not_running`.
   */
  async running(teamId: string, publicId: string, patienceMs = STARTING_MS): Promise<CapsuleRow> {
    let row = await this.#made(teamId, publicId, patienceMs);
    if (row.status === "running" && row.auto_resume)
      row = await this.#fallenAsleep(row, publicId, patienceMs);
    if (row.status === "paused" && row.auto_resume) return await this.life.wake(teamId, publicId);
    // Nobody knows how it is until its host is back.
    if (row.status === "missing") throw new WrennError("host_unavailable", {});
    if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  /** A capsule that runs, or whose row says that it does not any more: one that is on its way to sleep is waited for. */
  async #fallenAsleep(before: CapsuleRow, publicId: string, patienceMs: number): Promise<CapsuleRow> {
    const { clock, fleet } = this.#options;
    const deadline = clock.monotonic() + patienceMs;
    let row = before;
    while (row.status === "running" && clock.monotonic() < deadline) {
      const { state } = await fleet.of(row).capsule(publicId, AbortSignal.timeout(STATE_MS));
      if (state !== "pausing" && state !== "paused") break;
      await clock.sleep(POLL_MS);
      row = await this.get(row.team_id, publicId);
    }
    return row;
  }

  async list(teamId: string, page?: Page): ReturnType<typeof capsuleQueries.listCapsules> {
    return await capsuleQueries.listCapsules(this.#options.database.db, teamId, page);
  }

  /**
   * Ends a capsule in whatever state it is; may be repeated. One whose host does not answer is over for its team at once, and is
   * destroyed when the host is back.
   */
  async destroy(teamId: string, publicId: string): Promise<void> {
    const row = await this.get(teamId, publicId);
    await this.#operations.run(row.id, "destroy", async () => {
      try {
        await this.#options.fleet.of(row).destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
      } catch (error) {
        if (!(error instanceof WrennError && error.entry.code === "host_unavailable")) throw error;
        this.#options.logger.warn("capsule.destroyed_later", { capsule: publicId });
      }
      await this.#change(row.id, liveStates, { status: "stopped", hostIp: null });
    });
  }

  /** Says what a capsule may reach, from now on and after every resume. */
  async setNetwork(teamId: string, publicId: string, network: NetworkRules): Promise<void> {
    const row = await this.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused")
      throw new WrennError("capsule_not_running", { status: row.status });
    await this.#options.fleet.of(row).setNetwork(publicId, network, AbortSignal.timeout(NETWORK_MS));
    await capsuleQueries.setCapsuleNetwork(this.#options.database.db, row.id, network);
  }

  /** What a running capsule lately wanted to reach. @throws WrennError `capsule_not_running`. */
  async networkDecisions(teamId: string, publicId: string): Promise<readonly NetworkDecision[]> {
    const row = await this.running(teamId, publicId);
    return await this.#options.fleet.of(row).networkDecisions(publicId, AbortSignal.timeout(NETWORK_MS));
  }

  /** Counts as activity. @throws WrennError `capsule_not_running`. */
  async ping(teamId: string, publicId: string): Promise<void> {
    const row = await this.running(teamId, publicId);
    this.#options.fleet.of(row).hold(publicId)();
    await this.touch(row.id);
  }

  /** Something happened in the capsule. */
  async touch(id: string): Promise<void> {
    await capsuleQueries.touchCapsule(this.#options.database.db, id, this.#now());
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#operations.close();
  }

  /** The host says that a capsule changed by itself: it failed, or was paused because nobody used it. */
  async #follow(status: CapsuleStatus, hostId: string): Promise<void> {
    if (status.state !== "failed" && status.state !== "paused") return;
    const id = parseId("capsule", status.id);
    const row = await capsuleQueries.findAnyCapsule(this.#options.database.db, id);
    if (row?.host_id !== hostId) return;
    if (status.state === "failed") {
      await this.#change(id, ["running", "paused"], {
        status: "error",
        hostIp: null,
        problem: status.problem ?? "the capsule failed",
      });
    } else await this.#change(id, ["running"], { status: "paused", hostIp: null });
  }

  async #change(
    id: string,
    from: readonly CapsuleRowStatus[],
    change: Parameters<typeof capsuleQueries.changeCapsule>[3],
  ): Promise<CapsuleRow | undefined> {
    return await capsuleQueries.changeCapsule(this.#options.database.db, id, from, change, this.#now());
  }

  #now(): Date {
    return new Date(this.#options.clock.now());
  }
}
