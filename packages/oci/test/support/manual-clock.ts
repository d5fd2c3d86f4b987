import { systemClock } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

/** A clock that a test moves. Sleeping takes no time and moves it. */
export class ManualClock implements Clock {
  readonly slept: number[] = [];
  #offset = 0;

  now(): number {
    return systemClock.now() + this.#offset;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#offset;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.slept.push(ms);
    this.#offset += ms;
    await Promise.resolve();
  }

  advance(ms: number): void {
    this.#offset += ms;
  }
}
