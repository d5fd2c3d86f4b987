import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

const MAX_KEYS = 100_000;

export interface RateLimit {
  /** How many at once. */
  readonly burst: number;
  /** After how many milliseconds one more is allowed. */
  readonly everyMs: number;
}

/** Allows events by key at a steady rate with a burst (GCRA): the state of a key is one number. */
export class RateLimiter {
  readonly #clock: Clock;
  /** When the bucket of a key is full again, in monotonic milliseconds. */
  readonly #fullAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `count` events at once, of which those beyond a whole burst are not counted. @throws WrennError `rate_limited` with the seconds to wait. */
  take(key: string, { burst, everyMs }: RateLimit, count = 1): void {
    const now = this.#clock.monotonic();
    const fullAt = Math.max(this.#fullAt.get(key) ?? 0, now) + Math.min(count, burst) * everyMs;
    const wait = fullAt - now - burst * everyMs;
    if (wait > 0) throw new WrennError("rate_limited", { retry_after: Math.ceil(wait / 1000) });
    // Re-inserted: the map stays in the order of use.
    this.#fullAt.delete(key);
    if (this.#fullAt.size >= MAX_KEYS) this.#makeRoom(now);
    this.#fullAt.set(key, fullAt);
  }

  #makeRoom(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key);
    const [oldest] = this.#fullAt.keys();
    if (oldest !== undefined && this.#fullAt.size >= MAX_KEYS) this.#fullAt.delete(oldest);
  }
}
