import { Bell, ByteLog } from "@wrenn/core";
import type { OutputStream } from "@wrenn/protocol";

/** How much of each stream the host keeps. */
export const LOG_CAPACITY = 1 << 20;

/** Both output streams of a process as the host keeps them, and the sizes a terminal had on the way. */
export class OutputLog {
  readonly streams: Readonly<Record<OutputStream, ByteLog>> = {
    stdout: new ByteLog(LOG_CAPACITY),
    stderr: new ByteLog(LOG_CAPACITY),
  };
  /** Resizes in order; `offset` counts terminal output. */
  readonly resizes: { readonly offset: number; readonly cols: number; readonly rows: number }[] = [];
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

  recordResize(cols: number, rows: number): void {
    this.resizes.push({ offset: this.streams.stdout.end, cols, rows });
    // Only sizes that some kept byte was printed under matter to a late reader.
    while (this.resizes.length > 1 && (this.resizes[1]?.offset ?? Infinity) <= this.streams.stdout.start)
      this.resizes.shift();
    this.notify();
  }
}
