import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { operationQueries } from "@wrenn/database";
import type { Actor, Database, OperationKind } from "@wrenn/database";
import { presentActor } from "../http/acting.ts";

export interface OperationsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** UUID of this control plane. */
  readonly instanceId: string;
}

/** Written down and not finished yet. */
export interface BegunOperation {
  readonly ids: readonly string[];
}

/** Between {@link Operations.begin} and {@link Operations.finish} lies a commit. */
const COMMIT_MS = 10_000;

/** What hosts are asked to do: written down before, finished whether or not the client still waits. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #running = new Set<Promise<unknown>>();
  /** Operations that are being carried out. */
  readonly #live = new Set<string>();
  /** Those that are written down, and when. */
  readonly #begun = new Map<string, number>();

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** Writes an operation down and carries it out. */
  async run<T>(capsuleId: string, kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const begun = this.begin(this.#options.database.db, [capsuleId], kind);
    return await this.background(begun.then((operation) => this.#finish(operation, work)));
  }

  /**
   * Writes down that something is about to be done with capsules, in the transaction that makes their rows: from then on the
   * reconciler leaves them to whoever does it.
   */
  async begin(
    db: Database["db"],
    capsuleIds: readonly string[],
    kind: OperationKind,
  ): Promise<BegunOperation> {
    const actor = presentActor();
    const ids = await this.beginAll(
      db,
      capsuleIds.map((capsuleId) => ({ capsuleId, actor })),
      kind,
    );
    return { ids };
  }

  /** The same for capsules of different actors; gives the id of each one's operation. */
  async beginAll(
    db: Database["db"],
    capsules: readonly { readonly capsuleId: string; readonly actor: Actor | undefined }[],
    kind: OperationKind,
  ): Promise<readonly string[]> {
    const { random, instanceId, clock } = this.#options;
    const rows = capsules.map((one) => ({ ...one, id: random.uuid(), kind, owner: instanceId }));
    for (const { id } of rows) this.#begun.set(id, clock.monotonic());
    await operationQueries.insertOperations(db, rows);
    return rows.map(({ id }) => id);
  }

  /**
   * Carries out what was begun.
   *
   * @param work - calls `told` when it has written down the success itself, with what it changed.
   */
  async finish<T>(operation: BegunOperation, work: (told: () => void) => Promise<T>): Promise<T> {
    return await this.background(this.#finish(operation, work));
  }

  /** Keeps work that nobody may be waiting for any more, so that {@link close} does. */
  async background<T>(work: Promise<T>): Promise<T> {
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

  /**
   * Ends operations whose end, or whose beginning, could not be told: the database was away. The reconciler makes their capsules
   * right. Called again and again.
   */
  async sweep(): Promise<void> {
    const { database, instanceId, clock } = this.#options;
    for (const [id, since] of this.#begun) if (clock.monotonic() - since > COMMIT_MS) this.#begun.delete(id);
    const known = [...this.#live, ...this.#begun.keys()];
    await operationQueries.failForgottenOperations(database.db, instanceId, known, this.now());
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  now(): Date {
    return new Date(this.#options.clock.now());
  }

  async #finish<T>({ ids }: BegunOperation, work: (told: () => void) => Promise<T>): Promise<T> {
    const { db } = this.#options.database;
    let problem: string | null = null;
    let told = false;
    for (const id of ids) {
      this.#live.add(id);
      this.#begun.delete(id);
    }
    try {
      return await work(() => (told = true));
    } catch (error) {
      problem = problemOf(error);
      throw error;
    } finally {
      try {
        if (!told) for (const id of ids) await operationQueries.finishOperation(db, id, problem, this.now());
      } finally {
        for (const id of ids) this.#live.delete(id);
      }
    }
  }
}
