import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import {
  changeSandbox,
  findAnySandbox,
  findIdempotencyKey,
  findSandboxes,
  listSandboxes,
  moveSandbox,
  setSandboxNetwork,
  touchSandbox,
} from "@wrenn/database";
import type { Database, Page, SandboxRow, SandboxStatus } from "@wrenn/database";
import type { CapsuleStatus, NetworkDecision, NetworkRules } from "@wrenn/protocol";

import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsule } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import { CapsuleLife } from "./capsule-life.ts";
import { Reservations } from "./reservations.ts";
import type { MadeBefore, Once } from "./reservations.ts";
import { SharedReads } from "./shared-reads.ts";
import type { Operations } from "./operations.ts";
import type { FoundTemplate, TemplatesService } from "./templates.ts";

/** Fixed by the contract (10 §6). */
const DISK_MB = 5120;

const CREATE_MS = 10 * 60_000;
/** How long a request waits for a capsule that is still being made: a little less than the patience of the SDK (contract 50 §1.1). */
const STARTING_MS = 4000;
/** The same for commands, whose clients are prepared to wait. */
export const COMMAND_PATIENCE_MS = 30_000;
const NETWORK_MS = 30_000;
const DESTROY_MS = 60_000;
const POLL_MS = 50;

const liveStates: readonly SandboxStatus[] = [
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
];

export interface CapsuleRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec: number;
  readonly autoResume: boolean;
  readonly network?: NetworkRules;
}

/** A capsule that is about to be started. */
interface CapsuleStart {
  readonly id: string;
  readonly teamId: string;
  readonly template: FoundTemplate;
  readonly sized: CapsuleRequest;
  readonly hostId: string;
  readonly operationId: string;
  /** Says that the operation's end is written down. */
  readonly told: () => void;
}

export interface CapsulesOptions {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  /** Milliseconds after which a create answers with a capsule that is still being made; without it, it never does. */
  readonly createAnswerMs?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/**
 * Capsules of teams: what the database says of them, and what the host is asked to do. What was begun is finished, whether or
 * not the client still waits.
 */
export class CapsulesService {
  readonly #options: CapsulesOptions;
  readonly #unsubscribe: () => void;
  readonly #operations: Operations;
  readonly #templates: TemplatesService;
  readonly #reads: SharedReads<SandboxRow>;
  readonly #reservations: Reservations;
  /** Pause, resume, checkpoints, forks. */
  readonly life: CapsuleLife;

  constructor(options: CapsulesOptions) {
    this.#options = options;
    this.#operations = options.operations;
    this.#templates = options.templates;
    this.#reservations = new Reservations({ ...options, now: () => this.#now() });
    this.#reads = new SharedReads((ids) => findSandboxes(options.database.db, ids));
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

  /**
   * A running capsule, or one that is still being made when that takes long.
   *
   * @throws WrennError of the host when it could not be started; its row says so too.
   */
  async create(teamId: string, request: CapsuleRequest, once?: Once): Promise<SandboxRow> {
    const { database } = this.#options;
    const known = once && (await findIdempotencyKey(database.db, teamId, once.key));
    if (known) return await this.#createdBefore(teamId, known, once);
    const template = await this.#templates.find(teamId, request.template);
    // A snapshot has the sizes that it was frozen with.
    const sized = { ...request, ...template.shape };
    const made = await this.#reservations.reserve({
      capsule: { teamId, diskMb: DISK_MB, ...sized },
      onlyHost: template.hostId,
      once,
    });
    if ("before" in made) return await this.#createdBefore(teamId, made.before, once);
    const started = this.#operations.finish({ ids: [made.operationId] }, (told) =>
      this.#startSomewhere({ ...made, teamId, template, sized, told }),
    );
    return (await this.#soon(started)) ?? (await this.get(teamId, formatId("capsule", made.id)));
  }

  /** What `work` gives, if it does so in time. It goes on in any case. */
  async #soon<T>(work: Promise<T>): Promise<T | undefined> {
    const { createAnswerMs, clock } = this.#options;
    if (createAnswerMs === undefined) return await work;
    const answered = new AbortController();
    const late = clock.sleep(createAnswerMs, answered.signal).catch(() => {});
    try {
      return (await Promise.race([work, late])) ?? undefined;
    } finally {
      answered.abort();
      // What becomes of it is in its row from here on.
      work.catch(() => {});
    }
  }

  /** What the first request with this key made, as soon as it is made. */
  async #createdBefore(teamId: string, known: MadeBefore, once: Once | undefined): Promise<SandboxRow> {
    if (once && known.fingerprint !== once.fingerprint)
      throw new WrennError("idempotency_conflict", { key: once.key });
    const { createAnswerMs = CREATE_MS } = this.#options;
    const row = await this.#made(teamId, formatId("capsule", known.sandbox_id), createAnswerMs);
    if (row.status !== "error") return row;
    throw new WrennError("operation_failed", {
      operation: "creating the capsule",
      problem: row.problem ?? "it failed",
    });
  }

  /** The capsule as soon as it is made, or as it is after `patienceMs`. */
  async #made(teamId: string, publicId: string, patienceMs: number): Promise<SandboxRow> {
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
  async get(teamId: string, publicId: string): Promise<SandboxRow> {
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
  async running(teamId: string, publicId: string, patienceMs = STARTING_MS): Promise<SandboxRow> {
    const row = await this.#made(teamId, publicId, patienceMs);
    if (row.status === "paused" && row.auto_resume) return await this.life.wake(teamId, publicId);
    // Nobody knows how it is until its host is back.
    if (row.status === "missing") throw new WrennError("host_unavailable", {});
    if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  async list(teamId: string, page?: Page): ReturnType<typeof listSandboxes> {
    return await listSandboxes(this.#options.database.db, teamId, page);
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
    await setSandboxNetwork(this.#options.database.db, row.id, network);
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
    await touchSandbox(this.#options.database.db, id, this.#now());
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#operations.close();
  }

  async #place(
    trx: Parameters<typeof placeCapsule>[0],
    wanted: Pick<CapsuleStart, "teamId" | "template" | "sized"> & { readonly except?: readonly string[] },
  ): Promise<string> {
    const { fleet, capacity } = this.#options;
    const { teamId, template, sized, except = [] } = wanted;
    return await placeCapsule(trx, fleet, capacity, {
      teamId,
      vcpus: sized.vcpus,
      memoryMb: sized.memoryMb,
      diskMb: DISK_MB,
      onlyHost: template.hostId,
      except,
    });
  }

  /** Starts a capsule where it was placed, and where that host cannot, on another one. */
  async #startSomewhere(start: CapsuleStart): Promise<SandboxRow> {
    const except = [start.hostId];
    let { hostId } = start;
    for (;;) {
      try {
        return await this.#start({ ...start, hostId });
      } catch (error) {
        const next = isFaultOfHost(error) ? await this.#placeElsewhere(start, except) : undefined;
        if (next === undefined) {
          await this.#change(start.id, liveStates, { status: "error", problem: problemOf(error) });
          throw error;
        }
        this.#options.logger.warn("capsule.placed_again", {
          capsule: formatId("capsule", start.id),
          from: formatId("host", hostId),
          to: formatId("host", next),
          problem: problemOf(error),
        });
        hostId = next;
        except.push(next);
      }
    }
  }

  /** @returns undefined when no other host takes it, so that the first one's error is told. */
  async #placeElsewhere(start: CapsuleStart, except: readonly string[]): Promise<string | undefined> {
    const { teamId, template, sized, id } = start;
    try {
      return await this.#options.database.db.transaction().execute(async (trx) => {
        const hostId = await this.#place(trx, { teamId, template, sized, except });
        await moveSandbox(trx, id, hostId);
        return hostId;
      });
    } catch (error) {
      if (WrennError.is(error, "no_hosts") || WrennError.is(error, "host_full")) return undefined;
      throw error;
    }
  }

  async #start(start: CapsuleStart): Promise<SandboxRow> {
    const { id, template, sized, hostId, operationId, told } = start;
    const status = await this.#options.fleet.agent(hostId).createCapsule(
      {
        id: formatId("capsule", id),
        template: template.hostKey,
        vcpus: sized.vcpus,
        memoryMib: sized.memoryMb,
        diskMib: DISK_MB,
        timeoutSec: sized.timeoutSec,
        ...(sized.maxLifetimeSec > 0 ? { maxLifetimeSec: sized.maxLifetimeSec } : {}),
        ...(sized.network ? { network: sized.network } : {}),
        envs: {},
      },
      AbortSignal.timeout(CREATE_MS),
    );
    const { hostAddress: hostIp = null, metadata } = status;
    const row = await this.#reservations.started({ id, operationId, hostIp, metadata });
    if (!row) throw new WrennError("capsule_not_found", {});
    told();
    return row;
  }

  /** The host says that a capsule changed by itself: it failed, or was paused because nobody used it. */
  async #follow(status: CapsuleStatus, hostId: string): Promise<void> {
    if (status.state !== "failed" && status.state !== "paused") return;
    const id = parseId("capsule", status.id);
    const row = await findAnySandbox(this.#options.database.db, id);
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
    from: readonly SandboxStatus[],
    change: Parameters<typeof changeSandbox>[3],
  ): Promise<SandboxRow | undefined> {
    return await changeSandbox(this.#options.database.db, id, from, change, this.#now());
  }

  #now(): Date {
    return new Date(this.#options.clock.now());
  }
}

/** Whether another host may do what this one could not. */
function isFaultOfHost(error: unknown): boolean {
  return error instanceof WrennError && error.entry.fault === "system";
}
