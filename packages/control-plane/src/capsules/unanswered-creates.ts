import { DAY_MS, formatId, GroupedWrites, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { capsuleQueries, idempotencyQueries, unansweredQueries } from "@wrenn/database";
import type { Database, DueCapsule, Trx } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { WaitingClient } from "../http/waiting-client.ts";
import type { Operations } from "./operations.ts";

/** How long the capsule of a client that left is kept for the same request with the same idempotency key. */
export const KEPT_FOR_RETRY_MS = 60_000;
/** A transaction that makes a row known to its owner commits within this time. */
const COMMIT_MS = 10_000;
const DESTROY_MS = 60_000;
/** Capsules that one transaction destroys. */
const AT_ONCE = 50;
const PROBLEM = "the client left before its answer";

export interface UnansweredCreatesDeps {
  readonly database: Database;
  readonly fleet: Fleet;
  readonly operations: Operations;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** UUID of this control plane. */
  readonly instanceId: string;
}

/** The end of a request, until the database has it. */
type Outcome = "answered" | { readonly dueAt: Date };

/**
 * Capsules that were made for clients that have no answer yet. One whose client leaves before its answer is destroyed: at once, or
 * after {@link KEPT_FOR_RETRY_MS} where the client can repeat the request or may have the answer. Which capsules these are is in the
 * database, so that the rule outlives this process.
 */
export class UnansweredCreates {
  readonly #deps: UnansweredCreatesDeps;
  /** Capsules whose clients wait here. */
  readonly #waiting = new Map<string, number>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #writes: GroupedWrites<string, undefined>;

  constructor(deps: UnansweredCreatesDeps) {
    this.#deps = deps;
    this.#writes = new GroupedWrites(async (ids) => {
      await this.#write(ids);
      return ids.map(() => undefined);
    });
  }

  /** In the transaction that inserts the rows of the capsules. */
  async insert(trx: Trx, capsuleIds: readonly string[]): Promise<void> {
    await unansweredQueries.insertUnanswered(trx, capsuleIds, this.#deps.instanceId, this.#now());
  }

  /** A repeated request waits for a capsule. @returns false when another client has had an answer. */
  async claim(capsuleId: string): Promise<boolean> {
    return await unansweredQueries.claimUnanswered(this.#deps.database.db, capsuleId, this.#deps.instanceId);
  }

  /** Before an answer is sent: if this process ends now, the client may have it, and its capsules stay. */
  async markAnswering(capsuleIds: readonly string[]): Promise<void> {
    await unansweredQueries.markAnswering(this.#deps.database.db, capsuleIds);
  }

  /** A capsule whose client is within this process, and has not taken it over yet: if this process ends now, the capsule ends, too. */
  async markWaiting(capsuleId: string): Promise<void> {
    await unansweredQueries.unmarkAnswering(this.#deps.database.db, [capsuleId]);
  }

  /**
   * Follows the request that made capsules to its end. The caller stops making them when the client leaves, unless the request
   * `isRepeatable`.
   *
   * @returns when the end is recorded, and of a request that cannot be repeated also that its capsules are destroyed. Never rejects:
   * what fails is done by the next sweep.
   */
  async follow(
    capsuleIds: readonly string[],
    client: WaitingClient,
    { isRepeatable }: { readonly isRepeatable: boolean },
  ): Promise<void> {
    for (const id of capsuleIds) this.#waiting.set(id, (this.#waiting.get(id) ?? 0) + 1);
    await client.outcome.then(async (outcome) => {
      const keptMs = isRepeatable ? KEPT_FOR_RETRY_MS : 0;
      const dueAt = new Date(this.#deps.clock.now() + keptMs);
      for (const id of capsuleIds) {
        const others = (this.#waiting.get(id) ?? 1) - 1;
        if (others > 0) this.#waiting.set(id, others);
        else this.#waiting.delete(id);
        // One client that has its answer is enough for a capsule to stay, and the last one that waits decides when it is due.
        if (outcome === "answered") this.#outcomes.set(id, outcome);
        else if (others <= 0 && this.#outcomes.get(id) !== "answered") this.#outcomes.set(id, { dueAt });
      }
      await this.#background(async () => {
        await Promise.all(capsuleIds.map((id) => this.#writes.write(id)));
        if (outcome === "left" && !isRepeatable) await this.destroyDue(capsuleIds);
      });
    });
  }

  /** Writes what could not be written before, settles what other processes left, and destroys what is due. Called periodically. */
  async sweep(): Promise<void> {
    const unwritten = [...this.#outcomes.keys()];
    if (unwritten.length > 0) await this.#write(unwritten);
    await this.#settleLost(this.#deps.clock.now() - COMMIT_MS);
    while ((await this.destroyDue()) === AT_ONCE);
  }

  /** Settles what an earlier process with this instance id left, before the first request: no client of it waits any longer. */
  async takeOver(): Promise<void> {
    await this.#settleLost(this.#deps.clock.now() + DAY_MS);
  }

  /**
   * Destroys capsules that are due, of these or of all, unless they were used: their rows first, so that no request finds them, then
   * in the background on their hosts. What a host does not do now is done when it is reconciled.
   *
   * @returns how many were due.
   */
  async destroyDue(capsuleIds?: readonly string[]): Promise<number> {
    const { database, operations } = this.#deps;
    const { due, ended, operationIds } = await database.db.transaction().execute(async (trx) => {
      const due = await unansweredQueries.takeDue(trx, this.#now(), AT_ONCE, capsuleIds);
      const failed = due.filter(({ status }) => status === "error");
      await idempotencyQueries.deleteKeysOf(
        trx,
        failed.map(({ id }) => id),
      );
      const ended: DueCapsule[] = [];
      for (const capsule of due)
        if (!capsule.is_used && (await this.#recordDestroyed(trx, capsule))) ended.push(capsule);
      const begun = ended.map(({ id }) => ({ capsuleId: id, actor: undefined }));
      const operationIds = begun.length === 0 ? [] : await operations.beginAll(trx, begun, "destroy");
      return { due, ended, operationIds };
    });
    for (const [at, capsule] of ended.entries())
      void this.#background(() =>
        operations.finish([operationIds[at] ?? ""], "destroy", () => this.#destroyOnHost(capsule)),
      );
    return due.length;
  }

  /** @param before - rows of this control plane that are younger may be of transactions that have just been committed. */
  async #settleLost(before: number): Promise<void> {
    const { database, instanceId, clock } = this.#deps;
    await unansweredQueries.settleLost(database.db, {
      owner: instanceId,
      known: [...this.#waiting.keys(), ...this.#outcomes.keys()],
      before: new Date(before),
      dueAt: new Date(clock.now() + KEPT_FOR_RETRY_MS),
    });
  }

  async #recordDestroyed(trx: Trx, { id, team_id: teamId, template }: DueCapsule): Promise<boolean> {
    const change = { status: "stopped", hostIp: null, problem: PROBLEM } as const;
    const live = ["pending", "starting", "running", "paused", "hibernated", "missing"] as const;
    if (!(await capsuleQueries.changeCapsule(trx, id, live, change, this.#now()))) return false;
    await this.#deps.audit.write(
      trx,
      { teamId },
      {
        resource: "sandbox",
        resourceId: formatId("capsule", id),
        action: "destroy",
        status: "warning",
        metadata: { template, reason: PROBLEM },
      },
    );
    return true;
  }

  async #destroyOnHost(capsule: DueCapsule): Promise<void> {
    const publicId = formatId("capsule", capsule.id);
    this.#deps.logger.info("capsule.client_left", { capsule: publicId });
    try {
      await this.#deps.fleet.of(capsule).destroyCapsule(publicId, AbortSignal.timeout(DESTROY_MS));
    } catch (error) {
      if (!WrennError.is(error, "host_unavailable")) throw error;
      this.#deps.logger.warn("capsule.destroyed_later", { capsule: publicId });
    }
  }

  async #write(ids: readonly string[]): Promise<void> {
    const { db } = this.#deps.database;
    const outcomes = ids.map((id) => ({ id, outcome: this.#outcomes.get(id) }));
    const answered = outcomes.flatMap(({ id, outcome }) => (outcome === "answered" ? [id] : []));
    if (answered.length > 0) await unansweredQueries.deleteUnanswered(db, answered);
    for (const { id, outcome } of outcomes)
      if (outcome !== undefined && outcome !== "answered")
        await unansweredQueries.setDue(db, [id], outcome.dueAt);
    for (const { id, outcome } of outcomes) if (this.#outcomes.get(id) === outcome) this.#outcomes.delete(id);
  }

  /** What fails here is done by the next sweep. */
  async #background(work: () => Promise<void>): Promise<void> {
    const { operations, logger } = this.#deps;
    try {
      await operations.background(work());
    } catch (error) {
      logger.warn("capsule.client_left_failed", { problem: problemOf(error) });
    }
  }

  #now(): Date {
    return new Date(this.#deps.clock.now());
  }
}
