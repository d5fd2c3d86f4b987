import { clientNetworks, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

const MAX_KEYS = 100_000;
/** What an IPv6 network of 48 bits may do, in times of one of 64: a site has many people, and an attacker has 65,536 networks in it. */
const SITE = 8;

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
  take(key: string, rate: RateLimit, count = 1): void {
    const now = this.#clock.monotonic();
    const fullAt = this.#check(key, rate, count, now);
    // Re-inserted: the map stays in the order of use.
    this.#fullAt.delete(key);
    if (this.#fullAt.size >= MAX_KEYS) this.#makeRoom(now);
    this.#fullAt.set(key, fullAt);
  }

  /** The same; false when it was one too many. */
  tryTake(key: string, rate: RateLimit): boolean {
    try {
      this.take(key, rate);
      return true;
    } catch (error) {
      if (WrennError.is(error, "rate_limited")) return false;
      throw error;
    }
  }

  /** An event of a client, counted for its network and, over IPv6, for the site around it. @throws WrennError `rate_limited`. */
  takeForClient(purpose: string, ip: string, rate: RateLimit): void {
    for (const [key, limit] of ofClient(purpose, ip, rate)) this.take(key, limit);
  }

  /** Whether the client could take one more event now. @throws WrennError `rate_limited`. */
  requireRoomForClient(purpose: string, ip: string, rate: RateLimit): void {
    for (const [key, limit] of ofClient(purpose, ip, rate))
      this.#check(key, limit, 1, this.#clock.monotonic());
  }

  /** When the bucket is full again after `count` more. */
  #check(key: string, { burst, everyMs }: RateLimit, count: number, now: number): number {
    const fullAt = Math.max(this.#fullAt.get(key) ?? 0, now) + Math.min(count, burst) * everyMs;
    const wait = fullAt - now - burst * everyMs;
    if (wait > 0) throw new WrennError("rate_limited", { retry_after: Math.ceil(wait / 1000) });
    return fullAt;
  }

  #makeRoom(now: number): void {
    for (const [key, fullAt] of this.#fullAt) if (fullAt <= now) this.#fullAt.delete(key);
    const [oldest] = this.#fullAt.keys();
    if (oldest !== undefined && this.#fullAt.size >= MAX_KEYS) this.#fullAt.delete(oldest);
  }
}

function ofClient(purpose: string, ip: string, rate: RateLimit): readonly (readonly [string, RateLimit])[] {
  const { narrow, wide } = clientNetworks(ip);
  const own = [`${purpose} ${narrow}`, rate] as const;
  if (wide === undefined) return [own];
  return [own, [`${purpose} ${wide}`, { burst: rate.burst * SITE, everyMs: rate.everyMs / SITE }]];
}
