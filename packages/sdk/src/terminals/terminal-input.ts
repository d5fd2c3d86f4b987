import { WrennError } from "../errors/wrenn-error.ts";

/** Input that the terminal has not confirmed; {@link TerminalInput.writable} waits beyond it. */
const WINDOW = 256 << 10;
/** Bytes in one message, of which the server takes up to 1 MiB. */
const PART = 64 << 10;

/** What takes its place behind input. */
interface Follower {
  /** How many writes are before it. */
  readonly writes: number;
  readonly run: () => void;
}

interface Part {
  readonly offset: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * What is typed into a terminal. Bytes are kept until the terminal has confirmed them, so that a new connection sends exactly those
 * again that did not arrive. Offsets count bytes since the beginning.
 */
export class TerminalInput {
  readonly writable: WritableStream<Uint8Array | string>;
  /** Not confirmed, in order. */
  #parts: Part[] = [];
  #confirmed = 0;
  #end = 0;
  /** Offset behind what was sent on some connection. */
  #sent = 0;
  /** Offset at which the server's count of this session began. */
  #base = 0;
  /** First half of a character at the end of a text, whose second half is the beginning of the next one. */
  #half = "";
  #send: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #change: Promise<void> = Promise.resolve();
  /** Writes that were begun, and those of them that are sent or wait for a connection. */
  #written = 0;
  #given = 0;
  /** A write waits until the terminal takes something. */
  #isWaiting = false;
  #isOver = false;
  #followers: Follower[] = [];
  readonly #onUnknown: ((bytes: number) => void) | undefined;
  #controller: WritableStreamDefaultController | undefined;

  /** @param onUnknown - is given how many bytes have an unknown fate, and writing goes on behind them. Without it, it fails. */
  constructor(onUnknown?: (bytes: number) => void) {
    this.#onUnknown = onUnknown;
    this.#ring();
    // The size of a chunk is asked for in the call that writes it: the stream itself gives it later.
    const size = (): number => {
      this.#written++;
      return 1;
    };
    this.writable = new WritableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        write: async (chunk) => {
          await this.#write(typeof chunk === "string" ? this.#encode(chunk) : chunk);
          this.#given++;
          this.#runFollowers();
        },
        close: async () => {
          this.#endWriting();
          await this.#drained();
        },
        abort: () => this.#endWriting(),
      },
      { highWaterMark: 1, size },
    );
  }

  /** Bytes that are confirmed. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** Bytes that are not confirmed. */
  get unconfirmed(): number {
    return this.#end - this.#confirmed;
  }

  /**
   * A connection is open, and the terminal has taken this much of the session's input: sends the rest.
   *
   * @param isResumed - false: the server does not know the session and begins to count again.
   */
  connected(send: (bytes: Uint8Array<ArrayBuffer>) => void, offset: number, isResumed: boolean): void {
    const unknown = this.#sent - this.#confirmed;
    if (isResumed) this.confirm(offset);
    else if (unknown > 0 && !this.#onUnknown) this.fail(fateUnknown(this.#confirmed, unknown));
    else {
      // Input of an unknown fate is not sent again: a command that is executed twice does more harm than one that is missing.
      this.#base = this.#sent;
      this.confirm(0);
      if (unknown > 0) this.#onUnknown?.(unknown);
    }
    this.#send = send;
    for (const { bytes } of this.#parts) send(bytes);
    this.#sent = this.#end;
  }

  /** Runs `run` behind what was written before, or at once while the terminal takes none of that. */
  follow(run: () => void): void {
    this.#followers.push({ writes: this.#written, run });
    this.#runFollowers();
  }

  disconnected(): void {
    this.#send = undefined;
  }

  /** The terminal has taken this much of the session's input. */
  confirm(offset: number): void {
    this.#confirmed = Math.min(this.#end, Math.max(this.#confirmed, this.#base + offset));
    this.#parts = this.#parts.flatMap((part) => {
      const taken = this.#confirmed - part.offset;
      if (taken >= part.bytes.length) return [];
      return taken <= 0 ? [part] : [{ offset: this.#confirmed, bytes: part.bytes.slice(taken) }];
    });
    this.#ring();
  }

  /** Nothing is taken any longer. */
  fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#parts = [];
    this.#confirmed = this.#end;
    this.#controller?.error(error);
    this.#endWriting();
    this.#ring();
  }

  /** Resolves when everything is confirmed. @throws the error of {@link fail}. */
  async #drained(): Promise<void> {
    while (this.unconfirmed > 0) await this.#change;
    if (this.#failure) throw this.#failure.error;
  }

  /** Resolves at the next confirmation, or when nothing is taken any longer. */
  get change(): Promise<void> {
    return this.#change;
  }

  async #write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; at += PART) {
      // A copy: the caller may use its memory again once the write has resolved.
      const bytes = new Uint8Array(chunk.subarray(at, at + PART));
      while (!this.#failure && this.unconfirmed > 0 && this.unconfirmed + bytes.length > WINDOW) {
        this.#isWaiting = true;
        this.#runFollowers();
        await this.#change;
      }
      this.#isWaiting = false;
      if (this.#failure) throw this.#failure.error;
      this.#parts.push({ offset: this.#end, bytes });
      this.#end += bytes.length;
      if (!this.#send) continue;
      this.#send(bytes);
      this.#sent = this.#end;
    }
  }

  /** Nothing is written any longer: what was written and not given is lost. */
  #endWriting(): void {
    this.#isOver = true;
    this.#runFollowers();
  }

  #runFollowers(): void {
    const canOvertake = this.#isWaiting || this.#isOver;
    const due = this.#followers.filter(({ writes }) => canOvertake || writes <= this.#given);
    this.#followers = this.#followers.slice(due.length);
    for (const { run } of due) run();
  }

  #encode(text: string): Uint8Array {
    const all = this.#half + text;
    const whole = /[\uD800-\uDBFF]$/.test(all) ? all.slice(0, -1) : all;
    this.#half = all.slice(whole.length);
    return new TextEncoder().encode(whole);
  }

  #ring(): void {
    this.#wake();
    this.#change = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function fateUnknown(confirmed: number, unknown: number): WrennError {
  return new WrennError({
    code: "connection_lost",
    message: `the server does not know this terminal session any longer: whether ${unknown} bytes of input arrived is unknown`,
    remedy: "Look at the output, and connect to the terminal again to write on.",
    details: { confirmedBytes: confirmed, unknownBytes: unknown },
  });
}
