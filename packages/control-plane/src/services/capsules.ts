import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import {
  changeSandbox,
  findIdempotencyKey,
  findSandbox,
  insertIdempotencyKey,
  insertSandbox,
  listLiveSandboxes,
  listSandboxes,
  setSandboxNetwork,
  touchSandbox,
} from "@wrenn/database";
import type { Database, SandboxRow, SandboxStatus } from "@wrenn/database";
import type { CapsuleStatus, HostAgent, NetworkDecision, NetworkRules } from "@wrenn/protocol";

import { CapsuleLife } from "./capsule-life.ts";
import { withinQuota } from "./quotas.ts";
import type { Operations } from "./operations.ts";
import type { TemplatesService } from "./templates.ts";

/** Fixed by the contract (10 §6). */
const DISK_MB = 5120;

const CREATE_MS = 10 * 60_000;
const NETWORK_MS = 30_000;
const POLL_MS = 50;

const liveStates: readonly SandboxStatus[] = [
  "pending",
  "starting",
  "running",
  "paused",
  "hibernated",
  "missing",
];
const everyState: readonly SandboxStatus[] = [...liveStates, "stopped", "error"];

export interface CapsuleRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly timeoutSec: number;
  readonly autoResume: boolean;
  readonly network?: NetworkRules;
}

/** Makes a create repeatable: the same key and request give the same capsule. */
export interface Once {
  readonly key: string;
  /** Of the request. */
  readonly fingerprint: string;
}

export interface CapsulesOptions {
  readonly database: Database;
  readonly hostAgent: HostAgent;
  readonly operations: Operations;
  readonly templates: TemplatesService;
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
  /** Pause, resume, checkpoints, forks. */
  readonly life: CapsuleLife;

  constructor(options: CapsulesOptions) {
    this.#options = options;
    this.#operations = options.operations;
    this.#templates = options.templates;
    this.life = new CapsuleLife(options, {
      get: (teamId, publicId) => this.get(teamId, publicId),
      change: (id, from, change) => this.#change(id, from, change),
    });
    this.#unsubscribe = options.hostAgent.onChange((status) => {
      this.#operations.background(this.#follow(status)).catch((error: unknown) => {
        options.logger.error("capsule.state_lost", { capsule: status.id, problem: problemOf(error) });
      });
    });
  }

  /** A running capsule. @throws WrennError of the host when it could not be started; its row says so too. */
  async create(teamId: string, request: CapsuleRequest, once?: Once): Promise<SandboxRow> {
    const { database, random } = this.#options;
    const known = once && (await findIdempotencyKey(database.db, teamId, once.key));
    if (known) return await this.#createdBefore(teamId, known, once);
    const template = await this.#templates.find(teamId, request.template);
    const id = random.uuid();
    // A snapshot has the sizes that it was frozen with.
    const sized = { ...request, ...template.shape };
    const wanted = { capsules: 1, vcpus: sized.vcpus, memoryMb: sized.memoryMb };
    const other = await withinQuota(database, teamId, wanted, async (trx) => {
      // Asked again with the team locked: of two requests with one key the second waits here for the first.
      const first = once && (await findIdempotencyKey(trx, teamId, once.key));
      if (first) return first;
      await insertSandbox(trx, { id, teamId, diskMb: DISK_MB, ...sized });
      if (once) await insertIdempotencyKey(trx, { teamId, sandboxId: id, ...once });
      return undefined;
    });
    if (other && once) return await this.#createdBefore(teamId, other, once);
    return await this.#operations.run(id, "create", () => this.#start(id, template.hostKey, sized));
  }

  /** What the first request with this key made, as soon as it is made. */
  async #createdBefore(
    teamId: string,
    known: { readonly fingerprint: string; readonly sandbox_id: string },
    once: Once,
  ): Promise<SandboxRow> {
    if (known.fingerprint !== once.fingerprint)
      throw new WrennError("idempotency_conflict", { key: once.key });
    const publicId = formatId("capsule", known.sandbox_id);
    const deadline = this.#options.clock.monotonic() + CREATE_MS;
    for (;;) {
      const row = await this.get(teamId, publicId);
      if (row.status !== "pending" && row.status !== "starting") {
        if (row.status === "error")
          throw new WrennError("operation_failed", {
            operation: "creating the capsule",
            problem: row.problem ?? "it failed",
          });
        return row;
      }
      if (this.#options.clock.monotonic() > deadline)
        throw new WrennError("deadline_exceeded", { what: "creating the capsule", ms: CREATE_MS });
      await this.#options.clock.sleep(POLL_MS);
    }
  }

  /** @throws WrennError `capsule_not_found` for unknown and foreign ones, `invalid_id`. */
  async get(teamId: string, publicId: string): Promise<SandboxRow> {
    const row = await findSandbox(this.#options.database.db, teamId, parseId("capsule", publicId));
    if (!row) throw new WrennError("capsule_not_found", {});
    return row;
  }

  /** Like {@link get}, but the capsule must be running; one that wants it is resumed first. @throws WrennError `capsule_not_running`. */
  async running(teamId: string, publicId: string): Promise<SandboxRow> {
    const row = await this.get(teamId, publicId);
    if (row.status === "paused" && row.auto_resume) return await this.life.wake(teamId, publicId);
    if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  async list(teamId: string): Promise<readonly SandboxRow[]> {
    return await listSandboxes(this.#options.database.db, teamId);
  }

  /** Ends a capsule in whatever state it is; may be repeated. */
  async destroy(teamId: string, publicId: string): Promise<void> {
    const row = await this.get(teamId, publicId);
    await this.#operations.run(row.id, "destroy", async () => {
      await this.#options.hostAgent.destroyCapsule(publicId, AbortSignal.timeout(60_000));
      await this.#change(row.id, liveStates, { status: "stopped", hostIp: null });
    });
  }

  /** Says what a capsule may reach, from now on and after every resume. */
  async setNetwork(teamId: string, publicId: string, network: NetworkRules): Promise<void> {
    const row = await this.get(teamId, publicId);
    if (row.status !== "running" && row.status !== "paused")
      throw new WrennError("capsule_not_running", { status: row.status });
    await this.#options.hostAgent.setNetwork(publicId, network, AbortSignal.timeout(NETWORK_MS));
    await setSandboxNetwork(this.#options.database.db, row.id, network);
  }

  /** What a running capsule lately wanted to reach. @throws WrennError `capsule_not_running`. */
  async networkDecisions(teamId: string, publicId: string): Promise<readonly NetworkDecision[]> {
    await this.running(teamId, publicId);
    return await this.#options.hostAgent.networkDecisions(publicId, AbortSignal.timeout(NETWORK_MS));
  }

  /** Counts as activity. @throws WrennError `capsule_not_running`. */
  async ping(teamId: string, publicId: string): Promise<void> {
    const row = await this.running(teamId, publicId);
    this.#options.hostAgent.hold(publicId)();
    await this.touch(row.id);
  }

  /** Something happened in the capsule. */
  async touch(id: string): Promise<void> {
    await touchSandbox(this.#options.database.db, id, this.#now());
  }

  /**
   * Puts right what an earlier process could not: capsules that no host knows have ended. Called once, when the host has said
   * what it holds.
   */
  async reconcile(signal: AbortSignal): Promise<void> {
    const { database, hostAgent, logger } = this.#options;
    const held = new Map((await hostAgent.listCapsules(signal)).map((status) => [status.id, status]));
    await this.#operations.failInterrupted();
    for (const row of await listLiveSandboxes(database.db)) {
      const status = held.get(formatId("capsule", row.id));
      if (status) {
        await this.#adoptState(row, status);
        continue;
      }
      const pending = row.status === "pending" || row.status === "starting";
      await this.#change(row.id, [row.status], {
        status: pending ? "error" : "stopped",
        hostIp: null,
        problem: "the server was restarted",
      });
      logger.info("capsule.reconciled", { capsule: formatId("capsule", row.id), was: row.status });
    }
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#operations.close();
  }

  async #start(id: string, hostKey: string, request: CapsuleRequest): Promise<SandboxRow> {
    const { hostAgent } = this.#options;
    const publicId = formatId("capsule", id);
    try {
      const status = await hostAgent.createCapsule(
        {
          id: publicId,
          template: hostKey,
          vcpus: request.vcpus,
          memoryMib: request.memoryMb,
          diskMib: DISK_MB,
          timeoutSec: request.timeoutSec,
          ...(request.network ? { network: request.network } : {}),
          envs: {},
        },
        AbortSignal.timeout(CREATE_MS),
      );
      const row = await this.#change(id, everyState, {
        status: "running",
        hostIp: status.hostAddress ?? null,
        metadata: status.metadata,
        startedAt: this.#now(),
      });
      if (!row) throw new WrennError("capsule_not_found", {});
      return row;
    } catch (error) {
      await this.#change(id, liveStates, { status: "error", problem: problemOf(error) });
      throw error;
    }
  }

  /** Makes a row say what the host knows. */
  async #adoptState(row: SandboxRow, status: CapsuleStatus): Promise<void> {
    const running = status.state === "running";
    if (running || status.state === "paused") {
      await this.#change(row.id, liveStates, {
        status: running ? "running" : "paused",
        hostIp: status.hostAddress ?? null,
      });
    } else await this.#follow(status);
  }

  /** The host says that a capsule changed by itself: it failed, or was paused because nobody used it. */
  async #follow(status: CapsuleStatus): Promise<void> {
    const id = parseId("capsule", status.id);
    if (status.state === "failed") {
      await this.#change(id, ["running", "paused"], {
        status: "error",
        hostIp: null,
        problem: status.problem ?? "the capsule failed",
      });
    } else if (status.state === "paused")
      await this.#change(id, ["running"], { status: "paused", hostIp: null });
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
