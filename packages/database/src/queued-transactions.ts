import { formatId, KeyedQueue } from "@wrenn/core";
import type { Db, Trx } from "./schema.ts";

/**
 * Transactions that lock the row of a team, or of a person, one of each at a time. In the database they would follow each other all the
 * same, each with a connection that others need; here the ones that wait take none.
 */
export class QueuedTransactions {
  readonly #db: Db;
  readonly #queue = new KeyedQueue();

  constructor(db: Db) {
    this.#db = db;
  }

  /** Runs `work` in a transaction after the earlier ones about the same team, or the same person. */
  async run<T>(kind: "team" | "user", id: string, work: (trx: Trx) => Promise<T>): Promise<T> {
    return await this.#queue.run(formatId(kind, id), async () => await this.#db.transaction().execute(work));
  }
}
