import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries } from "@wrenn/database";
import type { CapsuleRow, Database } from "@wrenn/database";
import type { CapsuleStatus, NetworkRules } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsule } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import type { FoundTemplate, TemplatesService } from "../templates/templates.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import type { Operations } from "./operations.ts";
import type { EarlierCreate, IdempotencyKey, Reservation, Reservations } from "./reservations.ts";

/** Size of every capsule's disk (docs/reference/values.md#limits-and-times). */
const DISK_MIB = 5120;

const CREATE_MS = 10 * 60_000;

export interface CreateRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec: number;
  readonly autoResume: boolean;
  readonly network?: NetworkRules;
}

/** A capsule that is about to be started. */
interface CapsuleStart extends Reservation {
  readonly teamId: string;
  readonly template: FoundTemplate;
  /** The request with the sizes of the template, where it fixes them. */
  readonly sized: CreateRequest;
}

export interface CapsuleCreationDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly reservations: Reservations;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CapsuleCreationOptions {
  /** Milliseconds after which {@link CapsuleCreation.create} returns a capsule that is still being created. Default: never. */
  readonly createAnswerMs?: number | undefined;
}

/** Creates capsules: reserves a place, asks the host to start it, and tries another host when that one fails. */
export class CapsuleCreation {
  readonly #deps: CapsuleCreationDeps;
  readonly #options: CapsuleCreationOptions;

  constructor(deps: CapsuleCreationDeps, options: CapsuleCreationOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * A running capsule, or one that is still being created when that takes long.
   *
   * @throws WrennError of the host when it could not be started; its row has the problem too.
   */
  async create(teamId: string, request: CreateRequest, idempotencyKey?: IdempotencyKey): Promise<CapsuleRow> {
    const { database, operations, reservations, rows, templates } = this.#deps;
    const known =
      idempotencyKey &&
      (await idempotencyQueries.findIdempotencyKey(database.db, teamId, idempotencyKey.key));
    if (known) return await this.#createdEarlier(teamId, known, idempotencyKey);
    const template = await templates.find(teamId, request.template);
    // A snapshot has the sizes that it was frozen with.
    const sized = { ...request, ...template.shape };
    const reserved = await reservations.reserve({
      capsule: { teamId, diskMib: DISK_MIB, ...sized },
      onlyHost: template.hostId,
      idempotencyKey,
    });
    if ("earlier" in reserved) return await this.#createdEarlier(teamId, reserved.earlier, idempotencyKey);
    const started = operations.finishRecorded([reserved.operationId], () =>
      this.#start({ ...reserved, teamId, template, sized }),
    );
    return (await this.#answerEarly(started)) ?? (await rows.get(teamId, formatId("capsule", reserved.id)));
  }

  /** The result of `work`, or undefined when it takes longer than `createAnswerMs`. The work continues in either case. */
  async #answerEarly<T>(work: Promise<T>): Promise<T | undefined> {
    const { clock } = this.#deps;
    const { createAnswerMs } = this.#options;
    if (createAnswerMs === undefined) return await work;
    const answered = new AbortController();
    const late = clock.sleep(createAnswerMs, answered.signal).catch(() => {});
    try {
      return (await Promise.race([work, late])) ?? undefined;
    } finally {
      answered.abort();
      // From here on its outcome is read from its row.
      work.catch(() => {});
    }
  }

  /** What the first request with this key created, once its creation has ended. */
  async #createdEarlier(
    teamId: string,
    earlier: EarlierCreate,
    idempotencyKey: IdempotencyKey | undefined,
  ): Promise<CapsuleRow> {
    if (idempotencyKey && earlier.fingerprint !== idempotencyKey.fingerprint)
      throw new WrennError("idempotency_conflict", { key: idempotencyKey.key });
    const { createAnswerMs = CREATE_MS } = this.#options;
    const publicId = formatId("capsule", earlier.sandbox_id);
    const row = await this.#deps.rows.getCreated(teamId, publicId, createAnswerMs);
    if (row.status !== "error") return row;
    throw new WrennError("operation_failed", {
      operation: "creating the capsule",
      problem: row.problem ?? "it failed",
    });
  }

  /** Starts a reserved capsule and records that it runs, or that it failed. */
  async #start(start: CapsuleStart): Promise<CapsuleRow> {
    const { rows } = this.#deps;
    const { id, operationId } = start;
    try {
      const { hostAddress: hostIp = null, metadata } = await this.#startOnSomeHost(start);
      const row = await rows.recordStarted({ id, operationId, hostIp, metadata });
      if (!row) throw new WrennError("capsule_not_found", {});
      return row;
    } catch (error) {
      await rows.recordFailed(id, problemOf(error));
      throw error;
    }
  }

  /** Starts a capsule on the host where it was placed, or on another one when that host fails. */
  async #startOnSomeHost(start: CapsuleStart): Promise<CapsuleStatus> {
    const tried = [start.hostId];
    let { hostId } = start;
    for (;;) {
      try {
        return await this.#startOnHost(start, hostId);
      } catch (error) {
        const next = isFaultOfHost(error) ? await this.#placeElsewhere(start, tried) : undefined;
        if (next === undefined) throw error;
        this.#deps.logger.warn("capsule.placed_again", {
          capsule: formatId("capsule", start.id),
          from: formatId("host", hostId),
          to: formatId("host", next),
          problem: problemOf(error),
        });
        hostId = next;
        tried.push(next);
      }
    }
  }

  /** @returns undefined when no other host has room for it. */
  async #placeElsewhere(start: CapsuleStart, tried: readonly string[]): Promise<string | undefined> {
    const { database, fleet, capacity } = this.#deps;
    const { teamId, template, sized, id } = start;
    try {
      return await database.db.transaction().execute(async (trx) => {
        const hostId = await placeCapsule(trx, fleet, capacity, {
          teamId,
          vcpus: sized.vcpus,
          memoryMib: sized.memoryMib,
          diskMib: DISK_MIB,
          onlyHost: template.hostId,
          except: tried,
        });
        await capsuleQueries.moveCapsule(trx, id, hostId);
        return hostId;
      });
    } catch (error) {
      if (WrennError.is(error, "no_hosts") || WrennError.is(error, "host_full")) return undefined;
      throw error;
    }
  }

  async #startOnHost({ id, template, sized }: CapsuleStart, hostId: string): Promise<CapsuleStatus> {
    return await this.#deps.fleet.agent(hostId).createCapsule(
      {
        id: formatId("capsule", id),
        template: template.hostKey,
        vcpus: sized.vcpus,
        memoryMib: sized.memoryMib,
        diskMib: DISK_MIB,
        timeoutSec: sized.timeoutSec,
        ...(sized.maxLifetimeSec > 0 ? { maxLifetimeSec: sized.maxLifetimeSec } : {}),
        ...defined({ network: sized.network }),
        envs: {},
      },
      AbortSignal.timeout(CREATE_MS),
    );
  }
}

/** Whether another host may succeed where this one failed. */
function isFaultOfHost(error: unknown): boolean {
  return error instanceof WrennError && error.entry.fault === "system";
}
