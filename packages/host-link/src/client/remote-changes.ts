import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { LinkClient } from "./link-client.ts";
import { plainStatus } from "./plain-status.ts";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5000;

/**
 * Changes of a host's capsules, for as long as somebody observes them. A broken stream is opened again and begins with how
 * everything is then, so that nothing that happened meanwhile is missed.
 */
export class RemoteChanges {
  readonly #client: LinkClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #observers = new Set<(status: CapsuleStatus) => void>();
  #following: AbortController | undefined;

  constructor(client: LinkClient, clock: Clock, logger: Logger) {
    this.#client = client;
    this.#clock = clock;
    this.#logger = logger;
  }

  observe(observer: (status: CapsuleStatus) => void): () => void {
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
        for await (const { value } of await this.#client.stream("stream", "changes", [], signal)) {
          wait = FIRST_WAIT_MS;
          const status = plainStatus(value);
          for (const observer of this.#observers) observer(status);
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
