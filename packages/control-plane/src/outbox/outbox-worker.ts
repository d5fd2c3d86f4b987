import { Bell, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { Database, DeliveryOutcome, Listening } from "@wrenn/database";

const BATCH_SIZE = 10;
/** Longer than an attempt can take. */
const CLAIM_MS = 60_000;
/** Between two looks without a notification: what failed is due by then at the latest. */
const POLL_MS = 5000;

/** Something in a table that somebody outside is to be told. */
interface Deliverable {
  readonly id: string;
  /** This one included. */
  readonly attempts: number;
}

/** A table of what is to be told, and how that is done. */
export interface Outbox<T extends Deliverable> {
  /** Notified by the database when there is something. */
  readonly topic: string;
  /** In events of the log: `{name}.delivery_failed`. */
  readonly name: string;
  /** Takes what is due, for `claimMs`. */
  claim(limit: number, claimMs: number): Promise<readonly T[]>;
  /** One attempt, which takes less than a minute. Its errors are logged and kept, so they hold no secrets. */
  deliver(item: T, signal: AbortSignal): Promise<void>;
  /** Wait before the next attempt, ms; undefined gives up. */
  waitAfter(item: T, error: unknown): number | undefined;
  settle(id: string, outcome: DeliveryOutcome): Promise<void>;
}

export interface OutboxWorkerDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Delivers what is in an outbox. Any number of control planes do so at once; each thing is tried by one at a time. */
export class OutboxWorker<T extends Deliverable> {
  readonly #deps: OutboxWorkerDeps;
  readonly #outbox: Outbox<T>;
  readonly #listening: Listening;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  readonly #hints = new Bell();

  constructor(deps: OutboxWorkerDeps, outbox: Outbox<T>) {
    this.#deps = deps;
    this.#outbox = outbox;
    this.#listening = deps.database.listen(outbox.topic, () => this.#hints.ring());
    this.#loop = this.#work();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the control plane is closing"));
    this.#hints.ring();
    await this.#listening.close();
    await this.#loop;
  }

  async #work(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const hint = this.#hints.next;
      let claimed: readonly T[] = [];
      try {
        claimed = await this.#outbox.claim(BATCH_SIZE, CLAIM_MS);
        await Promise.all(claimed.map((item) => this.#deliver(item)));
      } catch (error) {
        logger.warn(`${this.#outbox.name}.deliveries_failed`, { problem: problemOf(error) });
      }
      if (claimed.length > 0) continue;
      const over = new AbortController();
      const quiet = clock.sleep(POLL_MS, AbortSignal.any([signal, over.signal])).catch(() => undefined);
      await Promise.race([hint, quiet]);
      over.abort();
    }
  }

  async #deliver(item: T): Promise<void> {
    const { id, attempts } = item;
    try {
      await this.#outbox.deliver(item, this.#closing.signal);
      await this.#outbox.settle(id, { state: "delivered" });
    } catch (error) {
      // Not tried to its end: it is due again when the claim is over.
      if (this.#closing.signal.aborted) return;
      const problem = problemOf(error);
      const waitMs = this.#outbox.waitAfter(item, error);
      this.#deps.logger.info(`${this.#outbox.name}.delivery_failed`, { delivery: id, attempts, problem });
      await this.#outbox.settle(
        id,
        waitMs === undefined ? { state: "failed", problem } : { state: "waiting", problem, waitMs },
      );
    }
  }
}
