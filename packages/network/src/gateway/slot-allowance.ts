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
    const { perSecond, burst } = this.#limit;
    const elapsed = Math.max(0, now - this.#at);
    this.#tokens = Math.min(burst, this.#tokens + (elapsed * perSecond) / 1000);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** Of its usual share, what a slot gets of places that are half taken: enough for an honest one, however many others take all. */
const SMALL_SHARE = 1 / 8;

/**
 * Places that one slot may have at once.
 *
 * @param taken - places that all slots have now.
 */
export function shareOf(taken: number, places: number, usual: number): number {
  if (taken >= places) return 0;
  return taken < places / 2 ? usual : Math.ceil(usual * SMALL_SHARE);
}
