import { Bell } from "@wrenn/core";
import type { CapsuleProcess } from "@wrenn/protocol";

/** Keystrokes that may wait for a terminal that does not read. */
const QUEUE_BYTES = 1 << 20;
/** How long a full queue is waited for. */
const FULL_MS = 30_000;

type Item =
  | { readonly type: "input"; readonly bytes: Buffer }
  | { readonly type: "resize"; cols: number; rows: number };

/** Input was not taken in time. */
export class InputStuck extends Error {
  override readonly name = "InputStuck";
}

/**
 * What a client types, in order. Nothing is dropped: a full queue holds its client up, and one that stays full is an error.
 * Of several sizes in a row the last one counts.
 */
export class PtyInput {
  readonly #process: CapsuleProcess;
  readonly #signal: AbortSignal;
  readonly #items: Item[] = [];
  #bytes = 0;
  #working = false;
  readonly #room = new Bell();
  #failure: unknown;
  readonly #onFailure: (error: unknown) => void;

  constructor(process: CapsuleProcess, onFailure: (error: unknown) => void, signal: AbortSignal) {
    this.#process = process;
    this.#onFailure = onFailure;
    this.#signal = signal;
  }

  /** Queues bytes; waits while the queue is full. @throws InputStuck after 30 seconds of that. */
  async write(bytes: Buffer): Promise<void> {
    const deadline = Date.now() + FULL_MS;
    while (this.#bytes > 0 && this.#bytes + bytes.length > QUEUE_BYTES) {
      const left = deadline - Date.now();
      if (left <= 0 || !(await this.#waitForRoom(left)))
        throw new InputStuck(
          `the terminal does not read its input: ${this.#bytes + bytes.length} bytes wait`,
        );
    }
    this.#bytes += bytes.length;
    this.#items.push({ type: "input", bytes });
    this.#work();
  }

  resize(cols: number, rows: number): void {
    const last = this.#items.at(-1);
    if (last?.type === "resize") {
      last.cols = cols;
      last.rows = rows;
    } else this.#items.push({ type: "resize", cols, rows });
    this.#work();
  }

  #work(): void {
    if (this.#working || this.#failure !== undefined) return;
    this.#working = true;
    this.#drain()
      .catch((error: unknown) => {
        this.#failure = error;
        this.#onFailure(error);
      })
      .finally(() => {
        this.#working = false;
      });
  }

  async #drain(): Promise<void> {
    for (;;) {
      const item = this.#items.shift();
      if (!item) return;
      if (item.type === "resize") await this.#process.resize(item.cols, item.rows, this.#signal);
      else {
        await this.#process.write(item.bytes, this.#signal);
        this.#bytes -= item.bytes.length;
        this.#room.ring();
      }
    }
  }

  async #waitForRoom(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(() => resolve(false), ms);
    try {
      return await Promise.race([this.#room.next.then(() => true), promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
