import type { Clock } from "@wrenn/core";

/** The time limit of a process. It stands still while the capsule is paused. */
export class ProcessDeadline {
  readonly #clock: Clock;
  readonly #onOver: () => void;
  /** What is left of it. */
  #leftMs: number;
  #runsSince = 0;
  #wait: AbortController | undefined;

  /** @param onOver - called once, when the time is up, unless {@link stop} was called. */
  constructor(clock: Clock, timeoutMs: number, onOver: () => void) {
    this.#clock = clock;
    this.#leftMs = timeoutMs;
    this.#onOver = onOver;
  }

  /** Lets the time run. */
  run(): void {
    if (this.#wait || this.#leftMs === Infinity) return;
    const wait = new AbortController();
    this.#wait = wait;
    this.#runsSince = this.#clock.monotonic();
    this.#clock.sleep(this.#leftMs, wait.signal).then(
      () => {
        this.stop();
        this.#onOver();
      },
      () => undefined,
    );
  }

  /** Stops the time until {@link run}. */
  suspend(): void {
    if (!this.#wait) return;
    this.#wait.abort();
    this.#wait = undefined;
    this.#leftMs = Math.max(0, this.#leftMs - (this.#clock.monotonic() - this.#runsSince));
  }

  /** There is no limit any longer. */
  stop(): void {
    this.#wait?.abort();
    this.#wait = undefined;
    this.#leftMs = Infinity;
  }
}
