import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { LinkClient } from "./link-client.ts";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;

/** A stream of a host's changes, and what reads a piece of it. */
export interface ChangeStream<T> {
  readonly name: "changes" | "listeners";
  readonly read: (value: unknown) => T;
}

/**
 * Changes of a host's capsules, for as long as there are observers. A broken stream is opened again and begins with how
 * everything is then, so that nothing that happened meanwhile is missed.
 */
export class RemoteChanges<T> {
  readonly #client: LinkClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #stream: ChangeStream<T>;
  readonly #observers = new Set<(change: T) => void>();
  #following: AbortController | undefined;

  constructor(client: LinkClient, stream: ChangeStream<T>, clock: Clock, logger: Logger) {
    this.#client = client;
    this.#stream = stream;
    this.#clock = clock;
    this.#logger = logger;
  }

  observe(observer: (change: T) => void): () => void {
    this.#observers.add(observer);
    if (!this.#following) {
      this.#following = new AbortController();
      void this.#follow(this.#following.signal);
    }
    return () => {
      this.#observers.delete(observer);
      if (this.#observers.size === 0) this.close();
    };
  }

  close(): void {
    this.#following?.abort(new Error("nobody observes any more"));
    this.#following = undefined;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        for await (const { value } of await this.#client.stream("stream", this.#stream.name, [], signal)) {
          wait = FIRST_WAIT_MS;
          const change = this.#stream.read(value);
          for (const observer of this.#observers) observer(change);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.debug("link.changes_lost", { problem: problemOf(error) });
      }
      // Aborted while it waits, the loop ends.
      await this.#clock.sleep(wait, signal).catch(() => undefined);
    }
  }
}
