import { PhaseLog, problemOf } from "@wrenn/core";
import type { Clock, Logger, PhaseTimes, Random } from "@wrenn/core";
import { operationQueries } from "@wrenn/database";
import type { Actor, Database, Db, OperationKind, StorageClaim } from "@wrenn/database";
import { currentActor } from "../http/current-identity.ts";
import { currentPhases, runWithPhases } from "../http/current-phases.ts";

/** How long a host may take for one operation on a capsule that exists. */
export const OPERATION_MS = 5 * 60_000;

export interface OperationsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** UUID of this control plane. */
  readonly instanceId: string;
  /** Called with where the time of an operation went that has succeeded. */
  readonly onTimes: (kind: OperationKind, times: PhaseTimes) => void;
}

/** A transaction that begins operations commits within this time. */
const COMMIT_MS = 10_000;

/**
 * Operations of hosts on capsules: recorded before they begin and when they end, and carried out whether or not the client
 * still waits.
 */
export class Operations {
  readonly #deps: OperationsDeps;
  readonly #running = new Set<Promise<unknown>>();
  /** Ids of operations that are being carried out. */
  readonly #live = new Set<string>();
  /** Ids of operations that were begun, and when. */
  readonly #begun = new Map<string, number>();

  constructor(deps: OperationsDeps) {
    this.#deps = deps;
  }

  /** Begins an operation on one capsule, carries it out and records how it ended. */
  async run<T>(capsuleId: string, kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const begun = this.begin(this.#deps.database.db, [capsuleId], kind);
    return await this.background(begun.then((ids) => this.#finish(ids, kind, work)));
  }

  /**
   * Like {@link run}, for work whose last statement records that the operation succeeded, which takes one round trip to the database
   * less.
   *
   * @param work - gets the id of the operation.
   */
  async runRecorded<T>(
    capsuleId: string,
    kind: OperationKind,
    work: (operationId: string) => Promise<T>,
  ): Promise<T> {
    const begun = this.begin(this.#deps.database.db, [capsuleId], kind);
    return await this.background(
      begun.then((ids) =>
        this.#keepLive(ids, () =>
          this.#timed(kind, () => this.#recordFailure(ids, () => work(ids[0] ?? ""))),
        ),
      ),
    );
  }

  /** Records that an operation succeeded whose work found nothing to change. */
  async succeed(operationId: string): Promise<void> {
    await this.#recordEnd([operationId], null);
  }

  /**
   * Records operations that are about to begin, in the transaction that inserts the rows of their capsules: from then on
   * reconciliation leaves these capsules alone.
   *
   * @param claim - the most that all of them together may add to what their team stores.
   * @returns the ids of the operations, for {@link finish}.
   */
  async begin(
    db: Db,
    capsuleIds: readonly string[],
    kind: OperationKind,
    claim?: StorageClaim,
  ): Promise<readonly string[]> {
    const actor = currentActor();
    return await this.beginAll(
      db,
      capsuleIds.map((capsuleId, at) => ({ capsuleId, actor, claim: at === 0 ? claim : undefined })),
      kind,
    );
  }

  /** Like {@link begin}, for capsules of different actors; the ids are in the order of `capsules`. */
  async beginAll(
    db: Db,
    capsules: readonly {
      readonly capsuleId: string;
      readonly actor: Actor | undefined;
      readonly claim?: StorageClaim | undefined;
    }[],
    kind: OperationKind,
  ): Promise<readonly string[]> {
    const { random, instanceId, clock } = this.#deps;
    const rows = capsules.map((one) => ({ ...one, id: random.uuid(), kind, owner: instanceId }));
    for (const { id } of rows) this.#begun.set(id, clock.monotonic());
    await operationQueries.insertOperations(db, rows);
    return rows.map(({ id }) => id);
  }

  /** Carries out operations that were begun, and records that they succeeded or why they failed. */
  async finish<T>(ids: readonly string[], kind: OperationKind, work: () => Promise<T>): Promise<T> {
    return await this.background(this.#finish(ids, kind, work));
  }

  /** Like {@link finish}, for work whose last statement records the success itself: only a failure is recorded here. */
  async finishRecorded<T>(ids: readonly string[], kind: OperationKind, work: () => Promise<T>): Promise<T> {
    return await this.background(
      this.#keepLive(ids, () => this.#timed(kind, () => this.#recordFailure(ids, work))),
    );
  }

  /** Keeps work that no client may be waiting for, so that {@link close} waits for it. */
  async background<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work);
    try {
      return await work;
    } catch (error) {
      this.#deps.logger.debug("capsule.operation_failed", { problem: problemOf(error) });
      throw error;
    } finally {
      this.#running.delete(work);
    }
  }

  /**
   * Fails operations whose beginning or end could not be recorded because the database was not available. Reconciliation corrects
   * the rows of their capsules. Called periodically.
   */
  async sweep(): Promise<void> {
    const { database, instanceId, clock } = this.#deps;
    for (const [id, since] of this.#begun) if (clock.monotonic() - since > COMMIT_MS) this.#begun.delete(id);
    const running = await operationQueries.listRunningOperations(database.db, instanceId);
    // Judged only now: each of these was known before it was written down, and stays known until its end is.
    const forgotten = running.filter((id) => !this.#live.has(id) && !this.#begun.has(id));
    if (forgotten.length === 0) return;
    await operationQueries.failForgottenOperations(database.db, forgotten, this.#now());
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #finish<T>(ids: readonly string[], kind: OperationKind, work: () => Promise<T>): Promise<T> {
    return await this.#keepLive(ids, async () => {
      const result = await this.#timed(kind, () => this.#recordFailure(ids, work));
      await this.#recordEnd(ids, null);
      return result;
    });
  }

  /** Measures where the time goes, as part of the request that the operation belongs to, if there is one. */
  async #timed<T>(kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const phases = currentPhases() ?? new PhaseLog(this.#deps.clock);
    const result = await runWithPhases(phases, work);
    this.#deps.onTimes(kind, phases.times());
    return result;
  }

  async #keepLive<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) {
      this.#live.add(id);
      this.#begun.delete(id);
    }
    try {
      return await work();
    } finally {
      for (const id of ids) this.#live.delete(id);
    }
  }

  async #recordFailure<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#recordEnd(ids, problemOf(error));
      throw error;
    }
  }

  /** @param problem - null for success. */
  async #recordEnd(ids: readonly string[], problem: string | null): Promise<void> {
    for (const id of ids)
      await operationQueries.finishOperation(this.#deps.database.db, id, problem, this.#now());
  }

  #now(): Date {
    return new Date(this.#deps.clock.now());
  }
}
