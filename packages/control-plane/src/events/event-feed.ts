import { problemOf, WrennError } from "@wrenn/core";
import type { Bell, Clock, Logger } from "@wrenn/core";
import { eventQueries } from "@wrenn/database";
import type { Database, EventRow } from "@wrenn/database";
import type { EventBus } from "./event-bus.ts";

const BATCH = 200;
/** A stream without events is heard of after this long, and lost notifications are looked for this often. */
const QUIET_MS = 15_000;

export interface EventFeedDeps {
  readonly database: Database;
  readonly bus: EventBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a follower gets at a time. */
export interface FeedTurn {
  readonly events: readonly EventRow[];
  /** Whether nothing has happened for long. */
  readonly isQuiet: boolean;
}

/** Stored events of teams, in their order and without gaps, from any place on. */
export class EventFeed {
  readonly #deps: EventFeedDeps;
  /** Followers by team. */
  readonly #followers = new Map<string, Set<Bell>>();
  /** Ends the search for lost notifications; undefined while no one follows. */
  #search: AbortController | undefined;

  constructor(deps: EventFeedDeps) {
    this.#deps = deps;
  }

  /**
   * Where to begin: after the event that a client saw last, at a time, or after everything that has happened.
   *
   * @throws WrennError `events_gone` when what came after it is not kept.
   */
  async begin(teamId: string, from: { readonly last?: string; readonly since?: Date }): Promise<string> {
    const { db } = this.#deps.database;
    const { newest, horizon, keptSince } = await eventQueries.eventBounds(db, teamId);
    const { last, since } = from;
    if (last !== undefined) {
      if (BigInt(last) < BigInt(horizon)) throw new WrennError("events_gone", {});
      return last;
    }
    if (since === undefined) return newest;
    if (keptSince !== null && since <= keptSince) throw new WrennError("events_gone", {});
    const before = (await eventQueries.lastEventBefore(db, teamId, since)) ?? "0";
    return BigInt(before) < BigInt(horizon) ? horizon : before;
  }

  /**
   * Events after a place as they happen. A turn without events comes whenever `wake` rings, and after {@link QUIET_MS} without a
   * ring. Ends with the signal's reason.
   */
  async *follow(
    teamId: string,
    from: string,
    { wake, signal }: { readonly wake: Bell; readonly signal: AbortSignal },
  ): AsyncGenerator<FeedTurn> {
    const { bus, database } = this.#deps;
    const ring = (): void => wake.ring();
    const unsubscribe = bus.subscribe(teamId, ring);
    signal.addEventListener("abort", ring, { once: true });
    this.#add(teamId, wake);
    try {
      let cursor = from;
      for (;;) {
        signal.throwIfAborted();
        // Taken before the look: what happens during it is a ring for the next one.
        const next = wake.next;
        const events = await eventQueries.readEvents(database.db, teamId, cursor, BATCH);
        cursor = events.at(-1)?.id ?? cursor;
        yield { events, isQuiet: false };
        if (events.length > 0) continue;
        // A quiet stream costs no query.
        while (!(await this.#ringWithin(next, signal))) yield { events: [], isQuiet: true };
      }
    } finally {
      this.#remove(teamId, wake);
      unsubscribe();
      signal.removeEventListener("abort", ring);
    }
  }

  #add(teamId: string, wake: Bell): void {
    const followers = this.#followers.get(teamId) ?? new Set();
    this.#followers.set(teamId, followers.add(wake));
    if (this.#search) return;
    this.#search = new AbortController();
    void this.#findLost(this.#search.signal);
  }

  #remove(teamId: string, wake: Bell): void {
    const followers = this.#followers.get(teamId);
    followers?.delete(wake);
    if (followers?.size === 0) this.#followers.delete(teamId);
    if (this.#followers.size > 0) return;
    this.#search?.abort(new Error("no one follows"));
    this.#search = undefined;
  }

  /** One look for all followers at what no notification arrived for. */
  async #findLost(signal: AbortSignal): Promise<void> {
    const { clock, database, logger } = this.#deps;
    let seen: string | undefined;
    while (!signal.aborted) {
      try {
        if (seen === undefined) {
          seen = await eventQueries.newestEvent(database.db);
          // What came between a follower's first look and this one is seen by neither without another look.
          for (const wakes of this.#followers.values()) for (const wake of wakes) wake.ring();
        } else {
          const { teams, newest } = await eventQueries.teamsWithEventsAfter(database.db, seen);
          seen = newest;
          for (const team of teams) for (const wake of this.#followers.get(team) ?? []) wake.ring();
        }
      } catch (error) {
        logger.debug("events.search_failed", { problem: problemOf(error) });
      }
      await clock.sleep(QUIET_MS, signal).catch(() => undefined);
    }
  }

  /** Whether a ring comes before it has been quiet for long. */
  async #ringWithin(next: Promise<void>, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const quiet = this.#deps.clock.sleep(QUIET_MS, AbortSignal.any([signal, over.signal])).then(
      () => false,
      () => true,
    );
    const came = await Promise.race([next.then(() => true), quiet]);
    over.abort();
    return came;
  }
}
