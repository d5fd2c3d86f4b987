import { WrennError } from "@wrenn/core";
import { FRAME_HEADER, FRAME_TRAILER, MAX_PAYLOAD, RECORD_SIZE, welcomeMagic } from "./constants.ts";
import { decodeWelcome } from "./hello.ts";
import type { Hello, Welcome } from "./hello.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  /** Valid until the next call of the decoder; copy what is kept. */
  readonly payload: Buffer;
}

/** Longest frame. */
const FRAME_MAX = FRAME_HEADER + MAX_PAYLOAD + FRAME_TRAILER;
/** A frame that is longer than this is completed in memory that serves one frame after the other. */
const SPARE_MIN = 16 << 10;
/** Memory for frames of {@link FRAME_MAX} bytes that no decoder uses: as many as there usually are frames under way at once. */
const SPARE_LIMIT = 4;
const spare: Buffer[] = [];
const EMPTY = Buffer.alloc(0);

/** Answers to repeated greetings: the host repeats one every two seconds at most. */
const WELCOME_LIMIT = 1000;

/**
 * Turns the bytes of one connection into frames. Until the welcome that answers `hello` everything is left over from
 * earlier connections and thrown away; after it everything must be a frame of this epoch.
 */
export class FrameDecoder {
  readonly #hello: Hello;
  /** Bytes that may begin the welcome. */
  #greeting: Buffer = EMPTY;
  /** The frame that has not arrived as a whole, in memory that bounds it, however small its pieces are. */
  #partial: Buffer = EMPTY;
  #filled = 0;
  #welcome: Welcome | undefined;
  #repeats = 0;

  constructor(hello: Hello) {
    this.#hello = hello;
  }

  get welcome(): Welcome | undefined {
    return this.#welcome;
  }

  /**
   * Takes received bytes and calls `onFrame` for every frame that is complete.
   *
   * @throws WrennError `guest_protocol` for anything that is not a frame of this connection.
   */
  push(bytes: Buffer, onFrame: (frame: Frame) => void): void {
    let rest = this.#welcome ? bytes : this.#findWelcome(bytes);
    while (rest.length > 0) {
      if (this.#filled > 0) {
        rest = this.#complete(rest, onFrame);
        continue;
      }
      const size = this.#measure(rest, rest.length);
      if (size > rest.length) {
        this.#begin(size);
        this.#filled = rest.copy(this.#partial);
        return;
      }
      this.#emit(rest.subarray(0, size), onFrame);
      rest = rest.subarray(size);
    }
  }

  /** What follows the welcome; nothing while it has not arrived. */
  #findWelcome(bytes: Buffer): Buffer {
    const buffer = this.#greeting.length === 0 ? bytes : Buffer.concat([this.#greeting, bytes]);
    for (let at = 0; ; at++) {
      at = buffer.indexOf(welcomeMagic, at);
      if (at === -1) {
        // The last bytes may be the beginning of a magic.
        this.#greeting = Buffer.from(buffer.subarray(Math.max(0, buffer.length - welcomeMagic.length + 1)));
        return Buffer.alloc(0);
      }
      if (buffer.length - at < RECORD_SIZE) {
        this.#greeting = Buffer.from(buffer.subarray(at));
        return Buffer.alloc(0);
      }
      this.#welcome = decodeWelcome(buffer.subarray(at), this.#hello);
      if (!this.#welcome) continue;
      this.#greeting = Buffer.alloc(0);
      return buffer.subarray(at + RECORD_SIZE);
    }
  }

  /** Adds bytes to the frame that has begun; returns those that are left. */
  #complete(bytes: Buffer, onFrame: (frame: Frame) => void): Buffer {
    const taken = bytes.copy(this.#partial, this.#filled);
    this.#filled += taken;
    const rest = bytes.subarray(taken);
    if (this.#filled < this.#partial.length) return rest;
    const size = this.#measure(this.#partial, this.#filled);
    if (size > this.#filled) {
      const head = this.#partial;
      this.#begin(size);
      head.copy(this.#partial);
      return rest;
    }
    const frame = this.#partial;
    this.#partial = EMPTY;
    this.#filled = 0;
    this.#emit(frame, onFrame);
    release(frame);
    return rest;
  }

  /** Makes room for a frame of this size, which begins. */
  #begin(size: number): void {
    if (size < SPARE_MIN) this.#partial = Buffer.allocUnsafe(size);
    else this.#partial = (spare.pop() ?? Buffer.allocUnsafeSlow(FRAME_MAX)).subarray(0, size);
  }

  /** Size of what `bytes` begin with, of which `length` are there; the size of a header until that is known. */
  #measure(bytes: Buffer, length: number): number {
    if (length < FRAME_HEADER) return FRAME_HEADER;
    // A repeated hello was answered again.
    if (isWelcome(bytes)) return RECORD_SIZE;
    const epoch = bytes.readUInt32LE(0);
    const payload = bytes.readUInt32LE(4);
    if (epoch !== this.#hello.epoch || payload > MAX_PAYLOAD) {
      throw new WrennError("guest_protocol", {
        problem: `not a frame of this connection (epoch ${epoch}, length ${payload})`,
      });
    }
    return FRAME_HEADER + payload + FRAME_TRAILER;
  }

  #emit(frame: Buffer, onFrame: (frame: Frame) => void): void {
    if (isWelcome(frame)) {
      if (++this.#repeats <= WELCOME_LIMIT) return;
      throw new WrennError("guest_protocol", { problem: `more than ${WELCOME_LIMIT} welcomes` });
    }
    const end = frame.length - FRAME_TRAILER;
    if (frame.readUInt32LE(end) !== (this.#hello.epoch ^ 0xff_ff_ff_ff) >>> 0)
      throw new WrennError("guest_protocol", { problem: "a frame without its trailer" });
    onFrame({
      type: frame.readUInt8(8),
      flags: frame.readUInt8(9),
      id: frame.readUInt32LE(12),
      payload: frame.subarray(FRAME_HEADER, end),
    });
  }
}

/** The frame was handed out: its memory serves the next one. */
function release({ buffer, length }: Buffer): void {
  if (length >= SPARE_MIN && spare.length < SPARE_LIMIT) spare.push(Buffer.from(buffer));
}

function isWelcome(bytes: Buffer): boolean {
  return bytes.compare(welcomeMagic, 0, 16, 0, 16) === 0;
}
