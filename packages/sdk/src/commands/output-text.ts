import type { OutputStream } from "./output-events.ts";

/**
 * Turns the bytes of both streams into text. A character that is cut waits for its rest, over chunks and connections. What is not
 * UTF-8 becomes U+FFFD, and so does a character whose rest was dropped.
 */
export class OutputText {
  readonly #decoders: Record<OutputStream, TextDecoder> = { stdout: utf8(), stderr: utf8() };

  /** The text that `bytes`, the next ones of the stream, complete. May be empty. */
  next(stream: OutputStream, bytes: Uint8Array): string {
    return this.#decoders[stream].decode(bytes, { stream: true });
  }

  /** What is left of a character when the stream has ended, or when bytes of it were dropped. */
  rest(stream: OutputStream): string {
    return this.#decoders[stream].decode();
  }
}

/** A byte order mark is output like any other. */
export function utf8(): TextDecoder {
  return new TextDecoder("utf-8", { ignoreBOM: true });
}
