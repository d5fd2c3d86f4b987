import type { Clock } from "@wrenn/core";

/** Frames that nothing waits for, at once and per second: a download that was given up leaves some dozens. */
const BURST = 10_000;
const PER_MS = 1;
const REST_MS = 100;

/** Slows a guest down that sends frames without use: handling each costs time that belongs to all capsules. */
export class IdleFrames {
  readonly #clock: Pick<Clock, "monotonic">;
  #left = BURST;
  #at: number;
  #restUntil = 0;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
    this.#at = clock.monotonic();
  }

  /** Counts a frame. Returns for how many milliseconds nothing should be read of the guest now. */
  count(): number {
    if (--this.#left >= 0) return 0;
    const now = this.#clock.monotonic();
    this.#left = Math.min(BURST, (now - this.#at) * PER_MS);
    this.#at = now;
    if (this.#left >= 1 || now < this.#restUntil) return 0;
    this.#restUntil = now + REST_MS;
    return REST_MS;
  }
}
