import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { failRunningOperations, finishOperation, insertOperation } from "@wrenn/database";
import type { Database, OperationKind } from "@wrenn/database";

export interface OperationsOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** What hosts are asked to do: written down before, finished whether or not the client still waits. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #running = new Set<Promise<unknown>>();

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  async run<T>(sandboxId: string, kind: OperationKind, work: () => Promise<T>): Promise<T> {
    return await this.background(this.#recorded(sandboxId, kind, work));
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

  /** Operations of an earlier process have failed. */
  async failInterrupted(): Promise<void> {
    await failRunningOperations(this.#options.database.db, "the server was restarted", this.now());
  }

  /** Waits for everything that was begun. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  now(): Date {
    return new Date(this.#options.clock.now());
  }

  async #recorded<T>(sandboxId: string, kind: OperationKind, work: () => Promise<T>): Promise<T> {
    const { database, random } = this.#options;
    const id = random.uuid();
    await insertOperation(database.db, { id, sandboxId, kind });
    try {
      const result = await work();
      await finishOperation(database.db, id, null, this.now());
      return result;
    } catch (error) {
      await finishOperation(database.db, id, problemOf(error), this.now());
      throw error;
    }
  }
}
