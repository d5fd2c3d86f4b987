/** The server sends at most about 100 KB more than what was acknowledged; this much is acknowledged at a time. */
const ACKNOWLEDGE_BYTES = 32 << 10;

interface Item {
  /** Absent for a gap or a change of size. */
  readonly bytes?: Uint8Array;
  /** Offset behind it. */
  readonly end: number;
  /** Called when the reader reaches it. */
  readonly onReached?: () => void;
}

/** What a reader is told between chunks of output, in its place. */
export interface TerminalOutputListener {
  readonly onResized?: ((cols: number, rows: number) => void) | undefined;
  readonly onDropped?: ((bytes: number) => void) | undefined;
}

/** Output of a terminal on its way to the reader. What the reader takes is acknowledged, which makes room for more. */
export class TerminalOutput {
  readonly readable: ReadableStream<Uint8Array>;
  /** Output before this offset was printed before the terminal was connected to; set before any arrives. */
  liveOffset = 0;
  readonly #items: Item[] = [];
  readonly #acknowledge: (offset: number) => void;
  readonly #listener: TerminalOutputListener;
  #received: number;
  #taken: number;
  #acknowledged: number;
  #droppedBytes = 0;
  #isCanceled = false;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  /** @param from - offset of the first byte. */
  constructor(from: number, acknowledge: (offset: number) => void, listener: TerminalOutputListener = {}) {
    this.#listener = listener;
    this.#received = from;
    this.#taken = from;
    this.#acknowledged = from;
    this.#acknowledge = acknowledge;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
      const bytes = await this.#next();
      if (bytes) controller.enqueue(bytes);
      else controller.close();
    };
    // Nothing is taken before the reader asks.
    const strategy = { highWaterMark: 0 };
    this.readable = new ReadableStream({ pull, cancel: () => this.#cancel() }, strategy);
  }

  /** Offset behind the last byte that arrived. */
  get received(): number {
    return this.#received;
  }

  /** Offset behind the last byte that the reader took. */
  get taken(): number {
    return this.#taken;
  }

  get droppedBytes(): number {
    return this.#droppedBytes;
  }

  push(bytes: Uint8Array): void {
    const replayed = this.liveOffset - this.#received;
    if (replayed > 0 && replayed < bytes.length) {
      this.push(bytes.subarray(0, replayed));
      return this.push(bytes.subarray(replayed));
    }
    this.#received += bytes.length;
    this.#add({ bytes, end: this.#received });
  }

  /** Bytes up to an offset are not kept by the server. */
  skipTo(offset: number): void {
    if (offset <= this.#received) return;
    const bytes = offset - this.#received;
    this.#droppedBytes += bytes;
    this.#received = offset;
    this.#add({ end: offset, onReached: () => this.#listener.onDropped?.(bytes) });
  }

  /** What follows is printed at another size. */
  resized(cols: number, rows: number): void {
    this.#add({ end: this.#received, onReached: () => this.#listener.onResized?.(cols, rows) });
  }

  /** Nothing follows. */
  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  /** A new connection knows what was acknowledged. */
  connected(): void {
    this.#acknowledged = this.#taken;
  }

  #add(item: Item): void {
    if (this.#isCanceled) return this.#take(item);
    this.#items.push(item);
    this.#wake();
  }

  #take({ end }: Item): void {
    this.#taken = end;
    if (end - this.#acknowledged < ACKNOWLEDGE_BYTES) return;
    this.#acknowledged = end;
    this.#acknowledge(end);
  }

  async #next(): Promise<Uint8Array | undefined> {
    for (;;) {
      for (let item = this.#items.shift(); item; item = this.#items.shift()) {
        this.#take(item);
        item.onReached?.();
        if (item.bytes) return item.bytes;
      }
      if (this.#failure) throw this.#failure.error;
      if (this.#hasEnded) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Discards further output. */
  #cancel(): void {
    this.#isCanceled = true;
    for (const item of this.#items.splice(0)) this.#take(item);
    this.#wake();
  }
}
