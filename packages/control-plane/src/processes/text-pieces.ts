import type { OutputStream } from "@wrenn/protocol";

/**
 * Turns the bytes of each stream into text whose concatenation is exact: a character cut by a chunk border waits for its
 * rest, and what is no UTF-8 becomes U+FFFD.
 */
export class TextPieces {
  readonly #decoders = {
    stdout: new TextDecoder("utf-8", { ignoreBOM: true }),
    stderr: new TextDecoder("utf-8", { ignoreBOM: true }),
  };

  /** Whole characters so far; may be empty. */
  next(stream: OutputStream, bytes: Uint8Array): string {
    return this.#decoders[stream].decode(bytes, { stream: true });
  }

  /** What is left when a stream has ended, or was interrupted by a gap. */
  rest(stream: OutputStream): string {
    return this.#decoders[stream].decode();
  }
}
