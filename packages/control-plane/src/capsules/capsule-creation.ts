import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries } from "@wrenn/database";
import type { CapsuleRow, Database, EarlierCreate, Ingress } from "@wrenn/database";
import type { CapsuleStatus, LifetimeEnd, NetworkRules } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { placeCapsule } from "../hosts/placement.ts";
import type { CapacityPolicy } from "../hosts/placement.ts";
import { orNotBuilt } from "../templates/first-use.ts";
import type { FirstUseBuilds } from "../templates/first-use.ts";
import type { FoundTemplate, TemplatesService } from "../templates/templates.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import { asHostCall } from "./host-phases.ts";
import type { Operations } from "./operations.ts";
import { asPhase, roundedPhases } from "../http/current-phases.ts";
import type { WaitingClient } from "../http/waiting-client.ts";
import { reachesNoMore } from "../network/reach.ts";
import type { IdempotencyKey, Reservation, Reservations } from "./reservations.ts";
import type { StorageQuota } from "./storage-quota.ts";
import type { UnansweredCreates } from "./unanswered-creates.ts";

const CREATE_MS = 10 * 60_000;
/** What an early answer may still wait for: the database, to record that it is being sent, and to read the capsule. */
const EARLY_ANSWER_MS = 300;
const DESTROY_MS = 60_000;

export interface CreateRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** Default: that of the template. */
  readonly diskMib?: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec: number;
  readonly autoResume: boolean;
  readonly network?: NetworkRules;
  readonly onLifetimeEnd?: LifetimeEnd;
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly envs?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly cwd?: string;
  /** Default: its ports are private. */
  readonly ingress?: Ingress;
}

/** A request with all sizes. */
type SizedRequest = CreateRequest & { readonly diskMib: number };

/** A capsule that is about to be started. */
interface CapsuleStart extends Reservation {
  readonly teamId: string;
  readonly template: FoundTemplate;
  /** The request with the sizes of the template, where it fixes them. */
  readonly sized: SizedRequest;
  readonly moment: string | undefined;
  /** Aborts when the capsule is no longer to be made. */
  readonly signal: AbortSignal;
  /** Resolves when the end of the request is recorded. */
  readonly followed: Promise<void>;
}

export interface CreateOptions {
  readonly client: WaitingClient;
  readonly idempotencyKey?: IdempotencyKey | undefined;
  /** What the name of the template stands for, where the caller knows; otherwise it is looked up. */
  readonly found?: FoundTemplate;
  /** Key of a moment on the host of `found` that it starts from. */
  readonly moment?: string;
  /** Called for a capsule that is to reach more than its template lets it; throws when the caller may not have that. */
  readonly requireEgress: () => void;
}

export interface CapsuleCreationDeps {
  readonly database: Database;
  readonly rows: CapsuleRows;
  readonly reservations: Reservations;
  readonly storageQuota: Pick<StorageQuota, "remeasured">;
  readonly unanswered: UnansweredCreates;
  readonly fleet: Fleet;
  readonly capacity: CapacityPolicy;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  /** Builds built-in templates that are not there yet; undefined where the operator does. */
  readonly firstUse?: FirstUseBuilds | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CapsuleCreationOptions {
  /**
   * Milliseconds from the arrival of a request after which {@link CapsuleCreation.create} returns a capsule that is still being
   * created. Default: never.
   */
  readonly createAnswerMs?: number | undefined;
}

/** Creates capsules: reserves a place, asks the host to start it, and tries another host when that one fails. */
export class CapsuleCreation {
  readonly #deps: CapsuleCreationDeps;
  readonly #options: CapsuleCreationOptions;
  /** Ends each creation that is under way, by the capsule's id. */
  readonly #cancels = new Map<string, AbortController>();

  constructor(deps: CapsuleCreationDeps, options: CapsuleCreationOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * A running capsule, or one that is still being created when that takes long. When the client leaves before its answer the capsule
   * is destroyed: at once, or, for a request that can be repeated, when it is not repeated in time.
   *
   * @throws WrennError of the host when it could not be started; its row has the problem too. `client_left`.
   */
  async create(
    teamId: string,
    request: CreateRequest,
    { client, idempotencyKey, found, moment, requireEgress }: CreateOptions,
  ): Promise<CapsuleRow> {
    const { database, operations, reservations, storageQuota, unanswered } = this.#deps;
    let earlier =
      idempotencyKey &&
      (await idempotencyQueries.findIdempotencyKey(database.db, teamId, idempotencyKey.key));
    for (;;) {
      const repeated =
        earlier && idempotencyKey && (await this.#repeat(teamId, earlier, idempotencyKey, client));
      if (repeated) return repeated;
      const template = found ?? (await this.#find(teamId, request.template));
      // A snapshot has the sizes that it was frozen with.
      const sized = {
        ...request,
        ...template.shape,
        diskMib: diskOf(request, template),
        ...defined({
          network: request.network ?? template.network,
          user: request.user ?? template.user,
          cwd: request.cwd ?? template.cwd,
        }),
      };
      if (request.network && !reachesNoMore(request.network, template.network)) requireEgress();
      client.left.throwIfAborted();
      const reserved = await asPhase("placement", () =>
        storageQuota.remeasured(teamId, () =>
          reservations.reserve({
            capsule: { ...recordedFields(sized, template), teamId },
            onlyHost: template.hostId,
            idempotencyKey,
          }),
        ),
      );
      if ("earlier" in reserved) {
        earlier = reserved.earlier;
        continue;
      }
      const isRepeatable = idempotencyKey !== undefined;
      const followed = unanswered.follow([reserved.id], client, { isRepeatable });
      const limit = AbortSignal.timeout(CREATE_MS);
      // A request that can be repeated is carried out whether or not its client waits.
      const cancel = new AbortController();
      const signals = [limit, cancel.signal, ...(idempotencyKey ? [] : [client.left])];
      this.#cancels.set(reserved.id, cancel);
      const started = operations
        .finishRecorded([reserved.operationId], "create", () =>
          this.#start({
            ...reserved,
            teamId,
            template,
            sized,
            moment,
            signal: AbortSignal.any(signals),
            followed,
          }),
        )
        .finally(() => this.#cancels.delete(reserved.id));
      return (await this.#answerEarly(started, client)) ?? (await this.#unfinished(reserved.row, client));
    }
  }

  /** @throws WrennError `template_not_found`, `template_not_built`, `template_being_built`, `template_build_failed`. */
  async #find(teamId: string, reference: string): Promise<FoundTemplate> {
    const { templates, firstUse } = this.#deps;
    try {
      return await templates.find(teamId, reference);
    } catch (error) {
      throw orNotBuilt(error, reference, firstUse);
    }
  }

  /** Ends the creation of a capsule that is about to be destroyed, if it is under way here: nothing waits for it. */
  cancel(id: string): void {
    this.#cancels.get(id)?.abort(new WrennError("capsule_not_found", {}));
  }

  /** The result of `work`, which an answer needs; undefined when the answer would be late by it. It continues in either case. */
  async beforeAnswer<T>(work: Promise<T>, client: WaitingClient): Promise<T | undefined> {
    return await this.#answerEarly(work, client, EARLY_ANSWER_MS);
  }

  /** The result of `work`, or undefined when it takes longer than `createAnswerMs`. The work continues in either case. */
  async #answerEarly<T>(work: Promise<T>, client: WaitingClient, moreMs = 0): Promise<T | undefined> {
    const { clock, logger } = this.#deps;
    const { createAnswerMs } = this.#options;
    if (createAnswerMs === undefined) return await work;
    const answered = new AbortController();
    const left = Math.max(0, createAnswerMs + moreMs - client.waitedMs());
    const late = clock.sleep(left, answered.signal).catch(() => {});
    try {
      return (await Promise.race([work, late])) ?? undefined;
    } finally {
      answered.abort();
      work.catch((error: unknown) => logger.debug("capsule.answered_before", { problem: problemOf(error) }));
    }
  }

  /** A capsule that is still being made, as it is now, or as it was reserved when the database does not answer in time. */
  async #unfinished(reserved: CapsuleRow, client: WaitingClient): Promise<CapsuleRow> {
    const { rows, unanswered } = this.#deps;
    const current = (async () => {
      await unanswered.markAnswering([reserved.id]);
      return await rows.get(reserved.team_id, formatId("capsule", reserved.id));
    })();
    return (await this.beforeAnswer(current, client)) ?? reserved;
  }

  /** What the first request with this key created, once its creation has ended; undefined when it was destroyed. */
  async #repeat(
    teamId: string,
    earlier: EarlierCreate,
    { key, fingerprint }: IdempotencyKey,
    client: WaitingClient,
  ): Promise<CapsuleRow | undefined> {
    const { rows, unanswered } = this.#deps;
    if (earlier.fingerprint !== fingerprint) throw new WrennError("idempotency_conflict", { key });
    if (earlier.is_over) return undefined;
    client.left.throwIfAborted();
    const { sandbox_id: id } = earlier;
    const isClaimed = await unanswered.claim(id);
    if (isClaimed) void unanswered.follow([id], client, { isRepeatable: true });
    const { createAnswerMs = CREATE_MS } = this.#options;
    const patienceMs = Math.max(0, createAnswerMs - client.waitedMs());
    const row = await rows.getCreated(teamId, formatId("capsule", id), patienceMs);
    if (row.status === "stopped") return undefined;
    if (row.status === "error")
      throw new WrennError("operation_failed", {
        operation: "creating the capsule",
        problem: row.problem ?? "it failed",
      });
    if (isClaimed) await this.beforeAnswer(unanswered.markAnswering([id]), client);
    return row;
  }

  /** Starts a reserved capsule and records that it runs, or that it failed. */
  async #start(start: CapsuleStart): Promise<CapsuleRow> {
    const { rows } = this.#deps;
    const { id, operationId, signal, followed } = start;
    try {
      const { hostAddress: hostIp = null, metadata } = await this.#startOnSomeHost(start);
      const row = await rows.recordStarted({ id, operationId, hostIp, metadata, phases: roundedPhases() });
      if (row) return row;
      await this.#destroyUnwanted(id);
      throw new WrennError("capsule_not_found", {});
    } catch (error) {
      // A capsule whose client left, or that was destroyed, is recorded by what ended its creation.
      if (!isCancelled(signal)) await rows.recordFailed(id, problemOf(error));
      // Until then this operation keeps the capsule from being taken for one whose creation was interrupted.
      else if (WrennError.is(signal.reason, "client_left")) await followed;
      throw error;
    }
  }

  /** A capsule that was started after it was destroyed in the database. Its host, if it does not answer now, is reconciled later. */
  async #destroyUnwanted(id: string): Promise<void> {
    const { database, fleet, logger } = this.#deps;
    const publicId = formatId("capsule", id);
    try {
      const row = await capsuleQueries.findAnyCapsule(database.db, id);
      if (row) await fleet.of(row).destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
    } catch (error) {
      logger.warn("capsule.destroyed_later", { capsule: publicId, problem: problemOf(error) });
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
        const isRetried = isFaultOfHost(error) && !start.signal.aborted;
        const next = isRetried ? await this.#placeElsewhere(start, tried) : undefined;
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
          diskMib: sized.diskMib,
          onlyHost: template.hostId,
          except: tried,
        });
        return (await capsuleQueries.moveCapsule(trx, id, hostId)) ? hostId : undefined;
      });
    } catch (error) {
      if (WrennError.is(error, "no_hosts") || WrennError.is(error, "host_full")) return undefined;
      throw error;
    }
  }

  async #startOnHost(
    { id, teamId, template, sized, moment, signal }: CapsuleStart,
    hostId: string,
  ): Promise<CapsuleStatus> {
    signal.throwIfAborted();
    const agent = this.#deps.fleet.agent(hostId);
    const spec = {
      id: formatId("capsule", id),
      team: formatId("team", teamId),
      template: template.hostKey,
      vcpus: sized.vcpus,
      memoryMib: sized.memoryMib,
      diskMib: sized.diskMib,
      timeoutSec: sized.timeoutSec,
      ...(sized.maxLifetimeSec > 0 ? { maxLifetimeSec: sized.maxLifetimeSec } : {}),
      ...defined({
        network: sized.network,
        onLifetimeEnd: sized.onLifetimeEnd,
        user: sized.user,
        cwd: sized.cwd,
        moment,
      }),
      envs: sized.envs ?? {},
    };
    return await asHostCall(() => agent.createCapsule(spec, signal));
  }
}

/** What the row of a capsule keeps of its create: the values of its environment are its host's alone. */
function recordedFields({ envs = {}, ...fields }: SizedRequest, template: FoundTemplate) {
  return { ...fields, envNames: [...new Set([...template.envNames, ...Object.keys(envs)])].sort() };
}

/** @throws WrennError `disk_too_small` for less than what is on the template's disk. */
function diskOf({ template: name, diskMib }: CreateRequest, { diskMib: least }: FoundTemplate): number {
  if (diskMib !== undefined && diskMib < least)
    throw new WrennError("disk_too_small", { template: name, least, wanted: diskMib });
  return diskMib ?? least;
}

/** Whether another host may succeed where this one failed. */
function isFaultOfHost(error: unknown): boolean {
  return error instanceof WrennError && error.entry.fault === "system";
}

function isCancelled({ aborted, reason }: AbortSignal): boolean {
  return aborted && (WrennError.is(reason, "client_left") || WrennError.is(reason, "capsule_not_found"));
}
