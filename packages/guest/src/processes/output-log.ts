import { Bell, ByteLog } from "@wrenn/core";
import type { OutputStream } from "@wrenn/protocol";

/** How much of each stream the host keeps. */
export const LOG_CAPACITY = 1 << 20;
/** How many sizes of a terminal the host keeps. */
const RESIZE_LIMIT = 1000;

/** A size that a terminal got; `offset` counts its output until then. */
export interface Resize {
  /** Grows from one to the next. */
  readonly number: number;
  readonly offset: number;
  readonly cols: number;
  readonly rows: number;
}

/** Both output streams of a process as the host keeps them, and the sizes a terminal had on the way. */
export class OutputLog {
  readonly streams: Readonly<Record<OutputStream, ByteLog>> = {
    stdout: new ByteLog(LOG_CAPACITY),
    stderr: new ByteLog(LOG_CAPACITY),
  };
  /** In order. */
  readonly #resizes: Resize[] = [];
  #nextResize = 0;
  readonly #change = new Bell();

  /** Resolves at the next change of anything a reader may wait for. */
  get changed(): Promise<void> {
    return this.#change.next;
  }

  notify(): void {
    this.#change.ring();
  }

  /** `offset` is past the end where the guest had to drop bytes. */
  append(stream: OutputStream, offset: number, bytes: Uint8Array): void {
    this.streams[stream].skipTo(offset);
    this.streams[stream].append(bytes);
    this.notify();
  }

  /** Forgets all output; readers are told that it was dropped. */
  clear(): void {
    for (const log of Object.values(this.streams)) log.forget(log.end);
    this.notify();
  }

  recordResize(cols: number, rows: number): void {
    const offset = this.streams.stdout.end;
    const resizes = this.#resizes;
    // Nothing was printed under the size before.
    if (resizes.at(-1)?.offset === offset) resizes.pop();
    resizes.push({ number: this.#nextResize++, offset, cols, rows });
    // Only sizes that some kept byte was printed under matter to a late reader.
    while (
      resizes.length > RESIZE_LIMIT ||
      (resizes.length > 1 && (resizes[1]?.offset ?? Infinity) <= this.streams.stdout.start)
    )
      resizes.shift();
    this.notify();
  }

  /** Number of the resize in force at an offset. */
  resizeAt(offset: number): number {
    return this.#resizes.findLast((resize) => resize.offset <= offset)?.number ?? 0;
  }

  /** The first resize that is known from a number on. */
  resizeFrom(number: number): Resize | undefined {
    return this.#resizes.find((resize) => resize.number >= number);
  }
}
