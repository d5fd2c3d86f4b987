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

/**
 * Turns the bytes of one connection into frames. Until the welcome that answers `hello` everything is left over from
 * earlier connections and thrown away; after it everything must be a frame of this epoch.
 */
export class FrameDecoder {
  readonly #hello: Hello;
  #buffer: Buffer = Buffer.alloc(0);
  #welcome: Welcome | undefined;

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
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    if (!this.#welcome && !this.#findWelcome()) return;
    let at = 0;
    for (;;) {
      const length = this.#parse(at, onFrame);
      if (length === 0) break;
      at += length;
    }
    this.#buffer = this.#buffer.subarray(at);
  }

  #findWelcome(): boolean {
    for (let at = 0; ; at++) {
      at = this.#buffer.indexOf(welcomeMagic, at);
      if (at === -1) {
        // The last bytes may be the beginning of a magic.
        this.#buffer = this.#buffer.subarray(Math.max(0, this.#buffer.length - welcomeMagic.length + 1));
        return false;
      }
      if (this.#buffer.length - at < RECORD_SIZE) {
        this.#buffer = this.#buffer.subarray(at);
        return false;
      }
      this.#welcome = decodeWelcome(this.#buffer.subarray(at), this.#hello);
      if (!this.#welcome) continue;
      this.#buffer = this.#buffer.subarray(at + RECORD_SIZE);
      return true;
    }
  }

  /** Parses what begins at `at`; its length, or 0 when it is not complete. */
  #parse(at: number, onFrame: (frame: Frame) => void): number {
    const left = this.#buffer.length - at;
    if (left < FRAME_HEADER) return 0;
    if (this.#buffer.compare(welcomeMagic, 0, 16, at, at + 16) === 0) {
      // A repeated hello was answered again.
      return left < RECORD_SIZE ? 0 : RECORD_SIZE;
    }
    const epoch = this.#buffer.readUInt32LE(at);
    const length = this.#buffer.readUInt32LE(at + 4);
    if (epoch !== this.#hello.epoch || length > MAX_PAYLOAD) {
      throw new WrennError("guest_protocol", {
        problem: `not a frame of this connection (epoch ${epoch}, length ${length})`,
      });
    }
    const total = FRAME_HEADER + length + FRAME_TRAILER;
    if (left < total) return 0;
    if (this.#buffer.readUInt32LE(at + FRAME_HEADER + length) !== (epoch ^ 0xff_ff_ff_ff) >>> 0) {
      throw new WrennError("guest_protocol", { problem: "a frame without its trailer" });
    }
    onFrame({
      type: this.#buffer.readUInt8(at + 8),
      flags: this.#buffer.readUInt8(at + 9),
      id: this.#buffer.readUInt32LE(at + 12),
      payload: this.#buffer.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length),
    });
    return total;
  }
}
