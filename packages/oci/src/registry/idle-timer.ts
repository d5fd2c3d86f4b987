import { TransferError } from "./transfer-error.ts";

/** A connection must bring this much within the time, or the end of its answer. Servers that send single bytes do not count as active. */
const STEP_BYTES = 64 * 1024;

/** Aborts its signal when a transfer makes no progress, or when the caller's signal aborts. */
export class IdleTimer implements Disposable {
  readonly signal: AbortSignal;
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;

  constructor(ms: number, parent: AbortSignal) {
    const idle = new AbortController();
    const seconds = Math.round(ms / 1000);
    this.#timer = setTimeout(() => {
      idle.abort(new TransferError(`it sent nothing, or next to nothing, for ${seconds} s`));
    }, ms);
    this.signal = AbortSignal.any([parent, idle.signal]);
  }

  /** Bytes have arrived. */
  received(count: number): void {
    this.#bytes += count;
    if (this.#bytes < STEP_BYTES) return;
    this.#bytes = 0;
    this.#timer.refresh();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
