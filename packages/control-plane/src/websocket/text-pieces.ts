import type { OutputChannel } from "@wrenn/protocol";

/**
 * Turns the bytes of each channel into text whose concatenation is exact: a character cut by a chunk border waits for its
 * rest, and what is no UTF-8 becomes U+FFFD.
 */
export class TextPieces {
  readonly #decoders = {
    stdout: new TextDecoder("utf-8", { ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { ignoreBOM: true }),
  };

  /** Whole characters so far; may be empty. */
  next(channel: OutputChannel, bytes: Uint8Array): string {
    return this.#decoders[channel].decode(bytes, { stream: true });
  }

  /** What is left when a stream has ended, or was interrupted by a gap. */
  rest(channel: OutputChannel): string {
    return this.#decoders[channel].decode();
  }
}
