import type { Database, Listening } from "@wrenn/database";

const TOPIC = "wrenn_events";

/** Tells that something happened to a team; what it was is read from the database. */
export interface EventBus {
  /** Calls `onHint` whenever there may be events of the team that were not there before; returns the unsubscriber. */
  subscribe(teamId: string, onHint: () => void): () => void;
  close(): Promise<void>;
}

/** The bus of all control planes on one database. A hint that got lost with a connection is made up for after the next connect. */
export class DatabaseEventBus implements EventBus {
  readonly #listening: Listening;
  readonly #subscribers = new Map<string, Set<() => void>>();

  constructor(database: Database) {
    this.#listening = database.listen(TOPIC, (teamId) => {
      const hinted = teamId === undefined ? [...this.#subscribers.values()] : [this.#subscribers.get(teamId)];
      for (const hints of hinted) for (const hint of hints ?? []) hint();
    });
  }

  subscribe(teamId: string, onHint: () => void): () => void {
    const hints = this.#subscribers.get(teamId) ?? new Set();
    this.#subscribers.set(teamId, hints.add(onHint));
    return () => {
      hints.delete(onHint);
      if (hints.size === 0) this.#subscribers.delete(teamId);
    };
  }

  async close(): Promise<void> {
    await this.#listening.close();
  }
}
