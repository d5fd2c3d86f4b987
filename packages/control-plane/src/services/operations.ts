import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { finishOperation, insertOperation } from "@wrenn/database";
import type { Database, OperationKind } from "@wrenn/database";

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

/** What hosts are asked to do: written down before, finished whether or not the client still waits. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  /** Writes an operation down and carries it out. */
  async run<T>(sandboxId: string, kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const begun = this.begin(this.#options.database.db, [sandboxId], kind);
    return await this.background(begun.then((operation) => this.#finish(operation, work)));
  }

  /**
   * Writes down that something is about to be done with capsules, in the transaction that makes their rows: from then on the
   * reconciler leaves them to whoever does it.
   */
  async begin(
    db: Database["db"],
    sandboxIds: readonly string[],
    kind: OperationKind,
  ): Promise<BegunOperation> {
    const { random, instanceId } = this.#options;
    const ids: string[] = [];
    for (const sandboxId of sandboxIds) {
      const id = random.uuid();
      await insertOperation(db, { id, sandboxId, kind, owner: instanceId });
      ids.push(id);
    }
    return { ids };
  }

  /** Carries out what was begun. */
  async finish<T>(operation: BegunOperation, work: () => Promise<T>): Promise<T> {
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

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  now(): Date {
    return new Date(this.#options.clock.now());
  }

  async #finish<T>({ ids }: BegunOperation, work: () => Promise<T>): Promise<T> {
    const { db } = this.#options.database;
    let problem: string | null = null;
    try {
      return await work();
    } catch (error) {
      problem = problemOf(error);
      throw error;
    } finally {
      for (const id of ids) await finishOperation(db, id, problem, this.now());
    }
  }
}
