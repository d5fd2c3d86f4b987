import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries } from "@wrenn/database";
import type { CapsuleRow, Database, EarlierCreate } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { orNotBuilt } from "../templates/first-use.ts";
import type { FirstUseBuilds } from "../templates/first-use.ts";
import type { TemplateCopies } from "../templates/template-copies.ts";
import type { FoundTemplate, TemplatesService } from "../templates/templates.ts";
import type { TemplateUses } from "../templates/template-uses.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import type { CapsuleStart, CapsuleStarts } from "./capsule-starts.ts";
import type { CreateRequest, SizedRequest } from "./create-request.ts";
import type { Operations } from "./operations.ts";
import { asPhase, roundedPhases } from "../http/current-phases.ts";
import type { WaitingClient } from "../http/waiting-client.ts";
import { reachesNoMore } from "../network/reach.ts";
import type { IdempotencyKey, Reservations } from "./reservations.ts";
import type { StorageQuota } from "./storage-quota.ts";
import type { UnansweredCreates } from "./unanswered-creates.ts";

const CREATE_MS = 10 * 60_000;
/** What an early answer may still wait for: the database, to record that it is being sent, and to read the capsule. */
const EARLY_ANSWER_MS = 300;
const DESTROY_MS = 60_000;

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
  readonly starts: CapsuleStarts;
  readonly copies: Pick<TemplateCopies, "requireReachable">;
  readonly operations: Operations;
  readonly templates: TemplatesService;
  readonly templateUses: Pick<TemplateUses, "add">;
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
    const { copies, database, operations, reservations, storageQuota, templateUses, unanswered } = this.#deps;
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
      if (template.holders && template.hostId === undefined)
        copies.requireReachable(teamId, sized.template, template.holders);
      const reserved = await asPhase("placement", () =>
        storageQuota.remeasured(teamId, () =>
          reservations.reserve({
            capsule: { ...recordedFields(sized, template), teamId },
            onlyHost: template.hostId,
            holders: template.holders,
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
        .finishRecorded([reserved.operationId], "create", async () => {
          const signal = AbortSignal.any(signals);
          const row = await this.#start({ ...reserved, teamId, template, sized, moment, signal }, followed);
          // Those of builds are no use of it.
          if (!found) templateUses.add(template.hostKey);
          return row;
        })
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

  /**
   * Starts a reserved capsule and records that it runs, or that it failed.
   *
   * @param followed - resolves when the end of the request is recorded.
   */
  async #start(start: CapsuleStart, followed: Promise<void>): Promise<CapsuleRow> {
    const { rows } = this.#deps;
    const { id, operationId, signal } = start;
    try {
      const { hostAddress: hostIp = null, metadata } = await this.#deps.starts.start(start);
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

function isCancelled({ aborted, reason }: AbortSignal): boolean {
  return aborted && (WrennError.is(reason, "client_left") || WrennError.is(reason, "capsule_not_found"));
}
