import { problemOf, randomHex } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import { LEASE_MS } from "../wire/calls.ts";
import { encodeValue } from "../wire/values.ts";
import type { LinkClient } from "./link-client.ts";

const KEY_BYTES = 16;
const CALL_MS = 10_000;

/** Keeps capsules of another machine awake: a hold is a lease there, renewed at a third of its time. */
export class RemoteHolds {
  readonly #client: LinkClient;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(client: LinkClient, random: Random, logger: Logger) {
    this.#client = client;
    this.#random = random;
    this.#logger = logger;
  }

  hold(id: string): () => void {
    const key = randomHex(this.#random, KEY_BYTES);
    let last = this.#send(Promise.resolve(), { id, key, ms: LEASE_MS });
    const timer = setInterval(() => {
      last = this.#send(last, { id, key, ms: LEASE_MS });
    }, LEASE_MS / 3);
    timer.unref();
    this.#timers.add(timer);
    return () => {
      if (!this.#timers.delete(timer)) return;
      clearInterval(timer);
      void this.#send(last, { id, key, ms: 0 });
    };
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
  }

  /** One after another, so that the end of a hold never overtakes its begin. */
  async #send(before: Promise<void>, lease: object): Promise<void> {
    await before;
    try {
      await this.#client.ask("call", "call/hold", encodeValue([lease]), AbortSignal.timeout(CALL_MS));
    } catch (error) {
      // The next renewal may get through; without any the lease ends by itself.
      this.#logger.debug("link.hold_failed", { problem: problemOf(error) });
    }
  }
}
