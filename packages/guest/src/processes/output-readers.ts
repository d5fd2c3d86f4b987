import type { Clock } from "@wrenn/core";
import type { OutputStream } from "@wrenn/protocol";
import type { OutputReader } from "./output-reader.ts";

/** A reader that takes nothing for so long holds nobody up any more who is further. */
const STALLED_MS = 10_000;

/** Everybody who reads the output of a process. */
export class OutputReaders {
  readonly #readers = new Set<OutputReader>();
  readonly #clock: Clock;
  readonly #onStalled: () => void;
  #watch: AbortController | undefined;

  /** `onStalled` is called some time after a reader began to hold up others: {@link pace} may answer differently then. */
  constructor(clock: Clock, onStalled: () => void) {
    this.#clock = clock;
    this.#onStalled = onStalled;
  }

  get size(): number {
    return this.#readers.size;
  }

  add(reader: OutputReader): void {
    this.#readers.add(reader);
  }

  delete(reader: OutputReader): void {
    this.#readers.delete(reader);
    if (this.#readers.size < 2) this.#watch?.abort();
  }

  /**
   * Offset up to which all readers have taken a stream: the slowest sets the pace. One that has stalled, such as the half-dead
   * connection of somebody who has long come back with another one, does not while others are further: it is told what it
   * missed. Without readers, `Infinity`.
   */
  pace(stream: OutputStream): number {
    let [slowest, lead] = [Infinity, 0];
    for (const reader of this.#readers) lead = Math.max(lead, reader.position(stream));
    for (const reader of this.#readers) {
      const position = reader.position(stream);
      if (position === lead || !this.#hasStalled(reader)) slowest = Math.min(slowest, position);
    }
    if (slowest < lead) this.#wait();
    return slowest;
  }

  /** Offset up to which the first of all readers has taken a stream. Without readers, `Infinity`. */
  lead(stream: OutputStream): number {
    let lead = this.#readers.size === 0 ? Infinity : 0;
    for (const reader of this.#readers) lead = Math.max(lead, reader.position(stream));
    return lead;
  }

  #hasStalled(reader: OutputReader): boolean {
    return this.#clock.monotonic() - reader.lastTaken > STALLED_MS;
  }

  /** Nothing else may happen before a reader counts as stalled. */
  #wait(): void {
    if (this.#watch) return;
    this.#watch = new AbortController();
    const over = (): void => {
      this.#watch = undefined;
    };
    this.#clock
      .sleep(STALLED_MS, this.#watch.signal)
      .then(() => {
        over();
        this.#onStalled();
      }, over)
      .catch(() => {});
  }
}
