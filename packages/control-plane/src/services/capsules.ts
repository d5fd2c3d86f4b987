import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import {
  changeSandbox,
  failRunningOperations,
  findSandbox,
  finishOperation,
  insertOperation,
  insertSandbox,
  listLiveSandboxes,
  listSandboxes,
  touchSandbox,
} from "@wrenn/database";
import type { Database, SandboxRow, SandboxStatus } from "@wrenn/database";
import type { CapsuleStatus, HostAgent } from "@wrenn/protocol";

/** Fixed by the contract (10 §6). */
const DISK_MB = 5120;

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
}

export interface CapsulesOptions {
  readonly database: Database;
  readonly hostAgent: HostAgent;
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
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: CapsulesOptions) {
    this.#options = options;
    this.#unsubscribe = options.hostAgent.onChange((status) => {
      this.#background(this.#follow(status)).catch((error: unknown) => {
        options.logger.error("capsule.state_lost", { capsule: status.id, problem: problemOf(error) });
      });
    });
  }

  /** A running capsule. @throws WrennError of the host when it could not be started; its row says so too. */
  async create(teamId: string, request: CapsuleRequest): Promise<SandboxRow> {
    const { database, hostAgent, random } = this.#options;
    const templates = await hostAgent.listTemplates(AbortSignal.timeout(10_000));
    if (!templates.some((template) => template.name === request.template)) {
      throw new WrennError("template_not_found", { template: request.template });
    }
    const id = random.uuid();
    await insertSandbox(database.db, { id, teamId, diskMb: DISK_MB, ...request });
    return await this.#background(this.#operate(id, "create", () => this.#start(id, request)));
  }

  /** @throws WrennError `capsule_not_found` for unknown and foreign ones, `invalid_id`. */
  async get(teamId: string, publicId: string): Promise<SandboxRow> {
    const row = await findSandbox(this.#options.database.db, teamId, parseId("capsule", publicId));
    if (!row) throw new WrennError("capsule_not_found", {});
    return row;
  }

  /** Like {@link get}, but the capsule must be running. @throws WrennError `capsule_not_running`. */
  async running(teamId: string, publicId: string): Promise<SandboxRow> {
    const row = await this.get(teamId, publicId);
    if (row.status !== "running") throw new WrennError("capsule_not_running", { status: row.status });
    return row;
  }

  async list(teamId: string): Promise<readonly SandboxRow[]> {
    return await listSandboxes(this.#options.database.db, teamId);
  }

  /** Ends a capsule in whatever state it is; may be repeated. */
  async destroy(teamId: string, publicId: string): Promise<void> {
    const row = await this.get(teamId, publicId);
    await this.#background(
      this.#operate(row.id, "destroy", async () => {
        await this.#options.hostAgent.destroyCapsule(publicId, AbortSignal.timeout(60_000));
        await this.#change(row.id, liveStates, { status: "stopped", hostIp: null });
      }),
    );
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
    const held = new Set((await hostAgent.listCapsules(signal)).map((status) => status.id));
    await failRunningOperations(database.db, "the server was restarted", this.#now());
    for (const row of await listLiveSandboxes(database.db)) {
      if (held.has(formatId("capsule", row.id))) continue;
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
    await Promise.allSettled(this.#running);
  }

  async #start(id: string, request: CapsuleRequest): Promise<SandboxRow> {
    const { hostAgent } = this.#options;
    const publicId = formatId("capsule", id);
    try {
      const status = await hostAgent.createCapsule(
        {
          id: publicId,
          template: request.template,
          vcpus: request.vcpus,
          memoryMib: request.memoryMb,
          diskMib: DISK_MB,
          timeoutSec: request.timeoutSec,
          envs: {},
        },
        AbortSignal.timeout(10 * 60_000),
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

  /** The host says that a capsule changed by itself. */
  async #follow(status: CapsuleStatus): Promise<void> {
    if (status.state !== "failed") return;
    await this.#change(parseId("capsule", status.id), ["running", "paused"], {
      status: "error",
      hostIp: null,
      problem: status.problem ?? "the capsule failed",
    });
  }

  async #operate<T>(sandboxId: string, kind: "create" | "destroy", work: () => Promise<T>): Promise<T> {
    const { database, random } = this.#options;
    const id = random.uuid();
    await insertOperation(database.db, { id, sandboxId, kind });
    try {
      const result = await work();
      await finishOperation(database.db, id, null, this.#now());
      return result;
    } catch (error) {
      await finishOperation(database.db, id, problemOf(error), this.#now());
      throw error;
    }
  }

  async #change(
    id: string,
    from: readonly SandboxStatus[],
    change: Parameters<typeof changeSandbox>[3],
  ): Promise<SandboxRow | undefined> {
    return await changeSandbox(this.#options.database.db, id, from, change, this.#now());
  }

  /** Keeps work that nobody may be waiting for any more, so that {@link close} does. */
  async #background<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } catch (error) {
      this.#options.logger.debug("capsule.operation_failed", { problem: problemOf(error) });
      throw error;
    } finally {
      this.#running.delete(work);
    }
  }

  #now(): Date {
    return new Date(this.#options.clock.now());
  }
}
