import { Bell, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventQueries } from "@wrenn/database";
import type { Database, EventRow } from "@wrenn/database";
import type { EventBus } from "./event-bus.ts";

const BATCH = 200;
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

  /**
   * Where to begin: after the event that a client saw last, or after everything that has happened.
   *
   * @throws WrennError `events_gone` when what came after it is not kept any more.
   */
  async begin(last: string | undefined): Promise<string> {
    const { newest, horizon } = await eventQueries.eventBounds(this.#database.db);
    if (last !== undefined && BigInt(last) < BigInt(horizon)) throw new WrennError("events_gone", {});
    return last ?? newest;
  }

  /** Events after a place as they come, in batches; an empty one after {@link QUIET_MS} without any. Ends with the signal's reason. */
  async *follow(teamId: string, from: string, signal: AbortSignal): AsyncGenerator<readonly EventRow[]> {
    const hints = new Bell();
    const unsubscribe = this.#bus.subscribe(teamId, () => hints.ring());
    const onAbort = (): void => hints.ring();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      let cursor = from;
      for (;;) {
        signal.throwIfAborted();
        // Taken before the look: what happens during it is a hint for the next one.
        const hint = hints.next;
        const events = await eventQueries.readEvents(this.#database.db, teamId, cursor, BATCH);
        const last = events.at(-1);
        if (last) {
          cursor = last.id;
          yield events;
        } else if (!(await this.#hintWithin(hint, signal))) yield [];
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
