import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries } from "@wrenn/database";
import type { Database, CapsuleRow } from "@wrenn/database";
import type { NetworkRules } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsule } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import type { Operations } from "../capsules/operations.ts";
import { Reservations } from "./reservations.ts";
import type { MadeBefore, Once } from "./reservations.ts";
import type { FoundTemplate, TemplatesService } from "../templates/templates.ts";

/** Fixed by the contract (10 §6). */
const DISK_MB = 5120;

const CREATE_MS = 10 * 60_000;

export interface CapsuleRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
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

export interface CapsuleCreationOptions {
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

/** The rows that are made, and what the service says of them. */
export interface CreatedRows {
  /** The capsule as it is. */
  get(teamId: string, publicId: string): Promise<CapsuleRow>;
  /** The capsule as soon as it is made, or as it is after `patienceMs`. */
  made(teamId: string, publicId: string, patienceMs: number): Promise<CapsuleRow>;
  /** The capsule has failed, in whatever state it was. */
  failed(id: string, problem: string): Promise<void>;
  now(): Date;
}

/** Makes capsules: a place is reserved, a host is asked, another one when that cannot. */
export class CapsuleCreation {
  readonly #options: CapsuleCreationOptions;
  readonly #rows: CreatedRows;
  readonly #reservations: Reservations;

  constructor(options: CapsuleCreationOptions, rows: CreatedRows) {
    this.#options = options;
    this.#rows = rows;
    this.#reservations = new Reservations({ ...options, now: () => rows.now() });
  }

  /**
   * A running capsule, or one that is still being made when that takes long.
   *
   * @throws WrennError of the host when it could not be started; its row says so too.
   */
  async create(teamId: string, request: CapsuleRequest, once?: Once): Promise<CapsuleRow> {
    const { database } = this.#options;
    const known = once && (await idempotencyQueries.findIdempotencyKey(database.db, teamId, once.key));
    if (known) return await this.#createdBefore(teamId, known, once);
    const template = await this.#options.templates.find(teamId, request.template);
    // A snapshot has the sizes that it was frozen with.
    const sized = { ...request, ...template.shape };
    const made = await this.#reservations.reserve({
      capsule: { teamId, diskMib: DISK_MB, ...sized },
      onlyHost: template.hostId,
      once,
    });
    if ("before" in made) return await this.#createdBefore(teamId, made.before, once);
    const started = this.#options.operations.finish({ ids: [made.operationId] }, (told) =>
      this.#startSomewhere({ ...made, teamId, template, sized, told }),
    );
    return (await this.#soon(started)) ?? (await this.#rows.get(teamId, formatId("capsule", made.id)));
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
  async #createdBefore(teamId: string, known: MadeBefore, once: Once | undefined): Promise<CapsuleRow> {
    if (once && known.fingerprint !== once.fingerprint)
      throw new WrennError("idempotency_conflict", { key: once.key });
    const { createAnswerMs = CREATE_MS } = this.#options;
    const row = await this.#rows.made(teamId, formatId("capsule", known.sandbox_id), createAnswerMs);
    if (row.status !== "error") return row;
    throw new WrennError("operation_failed", {
      operation: "creating the capsule",
      problem: row.problem ?? "it failed",
    });
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
      memoryMib: sized.memoryMib,
      diskMib: DISK_MB,
      onlyHost: template.hostId,
      except,
    });
  }

  /** Starts a capsule where it was placed, and where that host cannot, on another one. */
  async #startSomewhere(start: CapsuleStart): Promise<CapsuleRow> {
    const except = [start.hostId];
    let { hostId } = start;
    for (;;) {
      try {
        return await this.#start({ ...start, hostId });
      } catch (error) {
        const next = isFaultOfHost(error) ? await this.#placeElsewhere(start, except) : undefined;
        if (next === undefined) {
          await this.#rows.failed(start.id, problemOf(error));
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
        await capsuleQueries.moveCapsule(trx, id, hostId);
        return hostId;
      });
    } catch (error) {
      if (WrennError.is(error, "no_hosts") || WrennError.is(error, "host_full")) return undefined;
      throw error;
    }
  }

  async #start(start: CapsuleStart): Promise<CapsuleRow> {
    const { id, template, sized, hostId, operationId, told } = start;
    const status = await this.#options.fleet.agent(hostId).createCapsule(
      {
        id: formatId("capsule", id),
        template: template.hostKey,
        vcpus: sized.vcpus,
        memoryMib: sized.memoryMib,
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
}

/** Whether another host may do what this one could not. */
function isFaultOfHost(error: unknown): boolean {
  return error instanceof WrennError && error.entry.fault === "system";
}
