/** A rate with a burst. */
export interface TokenRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** Tokens that come back over time: what one slot may do without slowing others down. */
export class TokenBucket {
  readonly #limit: TokenRate;
  #tokens: number;
  #at = 0;

  constructor(limit: TokenRate) {
    this.#limit = limit;
    this.#tokens = limit.burst;
  }

  /** @param now - milliseconds. @returns false when there is no token left. */
  take(now: number): boolean {
    if (this.left(now) < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** Tokens that there are. */
  left(now: number): number {
    const { perSecond, burst } = this.#limit;
    const elapsed = Math.max(0, now - this.#at);
    this.#tokens = Math.min(burst, this.#tokens + (elapsed * perSecond) / 1000);
    this.#at = now;
    return this.#tokens;
  }
}

/**
 * A rate that all slots share. Its last half is for those that ask for little: each has a small rate of its own, which it gets however
 * much the others take.
 */
export class SharedRate {
  readonly #perSecond: number;
  readonly #all: TokenBucket;

  /** @param perSecond - of all slots together; as many may come at once. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#all = new TokenBucket({ perSecond, burst: perSecond });
  }

  /** @param own - the slot's small rate. @returns false when the slot has to wait. */
  take(own: TokenBucket, now: number): boolean {
    const isModest = own.take(now);
    if (!isModest && this.#all.left(now) <= this.#perSecond / 2) return false;
    this.#all.take(now);
    return true;
  }
}

/** Of its usual share, what a slot gets of places that are half taken: enough for an honest one, however many others take all. */
const SMALL_SHARE = 1 / 8;

/**
 * Places that one slot may have at once. It has one also when all are taken, so that none is shut out by the others.
 *
 * @param taken - places that all slots have now.
 */
export function shareOf(taken: number, places: number, usual: number): number {
  if (taken >= places) return 1;
  return taken < places / 2 ? usual : Math.ceil(usual * SMALL_SHARE);
}
