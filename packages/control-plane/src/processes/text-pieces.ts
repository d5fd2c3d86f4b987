import type { OutputStream } from "@wrenn/protocol";

/** Text of one stream: the bytes from `offset` up to `next`. */
export interface TextPiece {
  readonly text: string;
  readonly offset: number;
  readonly next: number;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Turns the bytes of each stream into text whose concatenation is exact: a character cut by a chunk border waits for its
 * rest, and what is no UTF-8 becomes U+FFFD. Offsets are those of the text: a character that waited counts from its first byte.
 */
export class TextPieces {
  readonly #carried: Record<OutputStream, { readonly offset: number; readonly bytes: Uint8Array }> = {
    stdout: { offset: 0, bytes: new Uint8Array() },
    stderr: { offset: 0, bytes: new Uint8Array() },
  };

  /** Whole characters up to the end of `bytes`, which follow what this stream had before; `undefined` when there are none yet. */
  next(stream: OutputStream, offset: number, bytes: Uint8Array): TextPiece | undefined {
    const carried = this.#carried[stream].bytes;
    const all = carried.length === 0 ? bytes : Buffer.concat([carried, bytes]);
    const start = offset - carried.length;
    const length = all.length - unfinishedBytes(all);
    this.#carried[stream] = { offset: start + length, bytes: all.slice(length) };
    return pieceOf(start, all.subarray(0, length));
  }

  /** What is left when a stream has ended, or was interrupted by a gap. */
  rest(stream: OutputStream): TextPiece | undefined {
    const { offset, bytes } = this.#carried[stream];
    this.#carried[stream] = { offset: offset + bytes.length, bytes: new Uint8Array() };
    return pieceOf(offset, bytes);
  }
}

/** Length of a character at the end of `bytes` whose rest is still to come. */
export function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    return characterLength(byte) > back ? back : 0;
  }
  return 0;
}

/** How many bytes a character has that begins with this one; 1 also for bytes that begin none. */
function characterLength(first: number): number {
  if (first < 0xc2 || first > 0xf4) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

function pieceOf(offset: number, bytes: Uint8Array): TextPiece | undefined {
  if (bytes.length === 0) return undefined;
  return { text: utf8.decode(bytes), offset, next: offset + bytes.length };
}
