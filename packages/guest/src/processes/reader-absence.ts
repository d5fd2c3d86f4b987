import type { Clock } from "@wrenn/core";
import { PACED_ABSENCE_MS } from "@wrenn/protocol";

/** How long the output of a paced process has had no reader. */
export class ReaderAbsence {
  readonly #clock: Clock;
  readonly #onLong: () => void;
  #wait: AbortController | undefined;
  #isLong = false;

  /** @param onLong - called when there has been no reader for so long that the output waits no more. */
  constructor(clock: Clock, onLong: () => void) {
    this.#clock = clock;
    this.#onLong = onLong;
  }

  /** Whether the output waits for no reader. */
  get isLong(): boolean {
    return this.#isLong;
  }

  /** There is no reader from now on. */
  begin(): void {
    if (this.#wait || this.#isLong) return;
    const wait = new AbortController();
    this.#wait = wait;
    this.#clock.sleep(PACED_ABSENCE_MS, wait.signal).then(
      () => {
        this.#wait = undefined;
        this.#isLong = true;
        this.#onLong();
      },
      () => undefined,
    );
  }

  /** There is a reader, or nothing is read any more. */
  end(): void {
    this.#wait?.abort();
    this.#wait = undefined;
    this.#isLong = false;
  }
}
