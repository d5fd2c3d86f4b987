import type { Clock } from "@wrenn/core";
import { presentEventCursor, readEvents } from "@wrenn/database";
import type { Database, EventCursor, EventRow } from "@wrenn/database";
import type { EventBus } from "./event-bus.ts";

const BATCH = 200;
/** An event may not be told while a transaction that began before it is open, which is a matter of milliseconds. */
const OPEN_MS = 10;
/** Without any hint it is looked after so long: the last resort against a hint that nobody sent. */
const QUIET_MS = 15_000;

/** Events of teams, in their order and without gaps, from any place on. */
export class EventFeed {
  readonly #database: Database;
  readonly #bus: EventBus;
  readonly #clock: Clock;

  constructor(database: Database, bus: EventBus, clock: Clock) {
    this.#database = database;
    this.#bus = bus;
    this.#clock = clock;
  }

  /** The place after everything that has happened. */
  async present(): Promise<EventCursor> {
    return await presentEventCursor(this.#database.db);
  }

  /** Events after a place as they come, in batches; an empty one after {@link QUIET_MS} without any. Ends with the signal's reason. */
  async *follow(teamId: string, from: EventCursor, signal: AbortSignal): AsyncGenerator<readonly EventRow[]> {
    let hinted = Promise.withResolvers<void>();
    const unsubscribe = this.#bus.subscribe(teamId, () => hinted.resolve());
    const onAbort = (): void => hinted.resolve();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      let cursor = from;
      for (;;) {
        signal.throwIfAborted();
        // Made before the look: what happens during it is a hint for the next one.
        hinted = Promise.withResolvers<void>();
        const { events, more } = await readEvents(this.#database.db, teamId, cursor, BATCH);
        const last = events.at(-1);
        if (last) {
          cursor = { tx: last.tx, id: last.id };
          yield events;
        } else if (more) await this.#clock.sleep(OPEN_MS, signal);
        else if (!(await this.#hintWithin(hinted.promise, signal))) yield [];
      }
    } finally {
      unsubscribe();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Whether a hint comes before it has been quiet for long. */
  async #hintWithin(hint: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const quiet = this.#clock.sleep(QUIET_MS, AbortSignal.any([signal, over.signal])).then(
      () => false,
      () => true,
    );
    const came = await Promise.race([hint.then(() => true), quiet]);
    over.abort();
    return came;
  }
}
