import { WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { OutboundStream, StreamRefused } from "../lane/outbound-stream.ts";

interface Write extends PromiseWithResolvers<void> {
  readonly bytes: Uint8Array;
  /** Place of its first byte in the input, until it is known how many of its bytes were taken before. */
  offset: number | undefined;
  /** How many of its bytes were given to the stream, and the stream's end after the last of them. */
  given: number;
  end: number;
}

interface Close extends PromiseWithResolvers<void> {
  readonly bytes: undefined;
}

/** What a write costs in addition to its bytes. */
const WRITE_OVERHEAD = 512;

export interface ProcessInputDeps {
  readonly lane: Lane;
  /** The memory of the capsule, of which writes use a part until the guest has their bytes. */
  readonly buffer: CapsuleBuffer;
}

/**
 * Standard input of one process. Writes wait here, in the order of the calls, and enter the stream only as far as the guest's
 * window admits: until then a write can be taken back.
 */
export class ProcessInput {
  readonly #stream: OutboundStream;
  readonly #buffer: CapsuleBuffer;
  readonly #selector: () => string;
  /** Writes and a close that are not, or not wholly, in the stream. */
  readonly #waiting: (Write | Close)[] = [];
  /** Writes that are in the stream as a whole and that the guest has not received yet. */
  readonly #sent: Write[] = [];
  /** The end is in the stream. */
  #ended = false;
  #failure: unknown;

  /** @param selector - names the process in errors. */
  constructor({ lane, buffer }: ProcessInputDeps, handle: number, selector: () => string) {
    this.#buffer = buffer;
    this.#stream = new OutboundStream(lane, guestChannel.streamId(handle, guestChannel.stream.input), 0, () =>
      this.#work(),
    );
    this.#selector = selector;
  }

  /** Asks the guest for its window. */
  resume(): void {
    this.#stream.resume();
  }

  /** Continues after `offset` bytes that an earlier link sent. */
  startAt(offset: number): void {
    this.#stream.startAt(offset);
  }

  /** How many bytes were taken. */
  get offset(): number {
    return this.#stream.end;
  }

  /** Resolves when the guest has received the bytes. Throws as `CapsuleProcess.write` does. */
  async write(bytes: Uint8Array, signal: AbortSignal, offset?: number): Promise<void> {
    this.#throwIfOver();
    // The caller has the bytes in any case, and bounds them: here they only leave less room for the rest.
    const share = this.#buffer.open();
    share.set(bytes.length + WRITE_OVERHEAD);
    try {
      await this.#write(bytes, signal, offset);
    } finally {
      share.close();
    }
  }

  async #write(bytes: Uint8Array, signal: AbortSignal, offset: number | undefined): Promise<void> {
    const write: Write = { bytes, offset, given: 0, end: 0, ...Promise.withResolvers<void>() };
    this.#waiting.push(write);
    this.#work();
    const giveUp = (): void => {
      const at = this.#waiting.indexOf(write);
      // What is in the stream reaches the guest in any case.
      if (at < 0) write.resolve();
      else {
        this.#waiting.splice(at, 1);
        write.reject(this.#notRead(write.given, bytes.length, signal.reason));
        queueMicrotask(() => this.#work());
      }
    };
    await settled(write.promise, giveUp, signal);
  }

  /** Ends the input after everything that was written before; resolves when the end is sent. Throws as `CapsuleProcess.closeInput` does. */
  async close(signal: AbortSignal): Promise<void> {
    if (this.#ended || this.#failure !== undefined) return;
    const close: Close = { bytes: undefined, ...Promise.withResolvers<void>() };
    this.#waiting.push(close);
    this.#work();
    const giveUp = (): void => {
      const at = this.#waiting.indexOf(close);
      if (at < 0) return;
      this.#waiting.splice(at, 1);
      close.reject(this.#notRead(0, 0, signal.reason));
    };
    await settled(close.promise, giveUp, signal);
  }

  /**
   * The process has exited: no write is taken from now on, and those that wait end. What is in the stream as a whole was taken: the
   * exit is reported on the other lane, and may overtake the guest's receipt of input that the process has read.
   */
  end(): void {
    for (const write of this.#sent.splice(0)) write.resolve();
    this.fail(this.#stdinClosed());
  }

  /** Nothing can be written any longer, because of `cause`. */
  fail(cause: unknown): void {
    this.#failure ??= cause;
    for (const item of [...this.#sent.splice(0), ...this.#waiting.splice(0)]) {
      // The input of a process that is gone needs no closing.
      if (item.bytes === undefined) item.resolve();
      else item.reject(this.#failure);
    }
  }

  /** Takes the stream out of its lane. */
  dispose(): void {
    this.end();
    this.#stream.remove();
  }

  #work(): void {
    const { failure } = this.#stream;
    if (failure !== undefined) this.fail(failure instanceof StreamRefused ? this.#stdinClosed() : failure);
    for (let first = this.#waiting[0]; first; first = this.#waiting[0]) {
      if (first.bytes === undefined) {
        if (!this.#ended) this.#stream.close();
        this.#ended = true;
        first.resolve();
      } else if (!this.#place(first)) first.reject(this.#offsetDiffers());
      else if (!this.#give(first)) break;
      else this.#sent.push(first);
      this.#waiting.shift();
    }
    for (let first = this.#sent[0]; first && first.end <= this.#stream.received; first = this.#sent[0]) {
      first.resolve();
      this.#sent.shift();
    }
  }

  /**
   * It is a write's turn: everything before it was taken or taken back. What was taken of it before is skipped.
   *
   * @returns false when bytes before it are missing.
   */
  #place(write: Write): boolean {
    if (write.offset === undefined) return true;
    const skipped = this.#stream.end - write.offset;
    if (skipped < 0) return false;
    write.given = Math.min(skipped, write.bytes.length);
    write.offset = undefined;
    return true;
  }

  /** Gives the stream what it can send at once; whether that was everything. */
  #give(write: Write): boolean {
    const count = Math.min(this.#stream.room(), write.bytes.length - write.given);
    this.#stream.send(write.bytes.subarray(write.given, write.given + count));
    write.given += count;
    write.end = this.#stream.end;
    return write.given === write.bytes.length;
  }

  #throwIfOver(): void {
    if (this.#ended || this.#waiting.some(({ bytes }) => bytes === undefined)) throw this.#stdinClosed();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #notRead(accepted: number, bytes: number, cause: unknown): WrennError {
    return new WrennError("input_not_read", { selector: this.#selector(), accepted, bytes }, { cause });
  }

  #offsetDiffers(): WrennError {
    return new WrennError("input_offset_differs", {
      selector: this.#selector(),
      expected: this.#stream.end,
    });
  }

  #stdinClosed(): WrennError {
    return new WrennError("stdin_closed", { selector: this.#selector() });
  }
}

/** Waits for `promise`, which `giveUp` settles when the signal aborts. */
async function settled(promise: Promise<void>, giveUp: () => void, signal: AbortSignal): Promise<void> {
  signal.addEventListener("abort", giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
