/** Lets a bounded number of callers work at a time. The others wait, and get a place in the order in which they came. */
export class ConcurrencyLimit {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param places - how many callers work at a time. */
  constructor(places: number) {
    this.#free = places;
  }

  /**
   * Waits for a place, which the caller has until the result is called; further calls of it do nothing. A caller whose signal aborts
   * waits no longer and has no place.
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#giveOn();
    };
  }

  /** Does `work` in a place. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const leave = await this.enter(signal);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  #turn(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal?.reason as unknown);
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(take);
    });
  }

  /** The place goes straight to the caller that has waited longest, so that no other can take it in between. */
  #giveOn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#free += 1;
  }
}
