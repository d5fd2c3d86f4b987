import { appendFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { ConsoleLog, ConsolePiece } from "@wrenn/protocol";
import { readFileIfPresent } from "@wrenn/system";

/** A file is followed by the next one when it has so much of the console: the one before is kept. */
const FILE_BYTES = 128 << 10;
/** Or so many pieces: a byte a second must not fill a file with what is said about it. */
const FILE_PIECES = 4096;
/** Bytes and pieces of an answer; more is read by asking again. */
const ANSWER_BYTES = 256 << 10;
const ANSWER_PIECES = 2000;

/** How far a machine's console was read. */
export interface ConsoleSource {
  /** Names the file for as long as it exists, whatever its path. */
  readonly file: string;
  readonly end: number;
}

/** A line of the file. */
interface StoredPiece {
  readonly at: number;
  readonly offset: number;
  readonly gap: boolean;
  readonly source: ConsoleSource;
  /** In base64. */
  readonly bytes: string;
}

/** What a capsule's machines wrote to their consoles: at least the last 128 KiB that were read, or the last 4,096 pieces, in two files of lines. */
export class ConsoleLogFile {
  readonly #path: string;
  #isLoaded = false;
  #source: ConsoleSource | undefined;
  #next = 0;
  /** Of the console, in the present file. */
  #size = 0;
  #pieces = 0;

  constructor(capsuleDirectory: string) {
    this.#path = join(capsuleDirectory, "console");
  }

  /** How far was read; undefined when nothing was. */
  async source(): Promise<ConsoleSource | undefined> {
    await this.#load();
    return this.#source;
  }

  async append(
    piece: { readonly at: number; readonly bytes: Uint8Array; readonly gap: boolean },
    source: ConsoleSource,
  ): Promise<void> {
    await this.#load();
    const stored: StoredPiece = {
      at: piece.at,
      offset: this.#next,
      gap: piece.gap,
      source,
      bytes: Buffer.from(piece.bytes).toString("base64"),
    };
    // It begins with a line end, in case the last line was torn.
    await appendFile(this.#path, `\n${JSON.stringify(stored)}\n`, { mode: 0o600 });
    this.#source = source;
    this.#next += piece.bytes.length;
    this.#size += piece.bytes.length;
    this.#pieces += 1;
    if (this.#size < FILE_BYTES && this.#pieces < FILE_PIECES) return;
    await rename(this.#path, `${this.#path}.1`);
    this.#size = 0;
    this.#pieces = 0;
  }

  async read(from: number): Promise<ConsoleLog> {
    await this.#load();
    if (from >= this.#next) return { pieces: [], next: from };
    const pieces: ConsolePiece[] = [];
    let length = 0;
    for (const piece of [...(await piecesOf(`${this.#path}.1`)), ...(await piecesOf(this.#path))]) {
      const { at, offset, gap } = piece;
      const bytes = Buffer.from(piece.bytes, "base64");
      if (offset + bytes.length <= from) continue;
      if (length >= ANSWER_BYTES || pieces.length >= ANSWER_PIECES) break;
      const known = Math.max(0, from - offset);
      pieces.push({ at, offset: offset + known, gap: gap && known === 0, bytes: bytes.subarray(known) });
      length += bytes.length - known;
    }
    const last = pieces.at(-1);
    return { pieces, next: last ? last.offset + last.bytes.length : this.#next };
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    const present = await piecesOf(this.#path);
    const last = present.at(-1) ?? (await piecesOf(`${this.#path}.1`)).at(-1);
    this.#source = last?.source;
    this.#next = last ? last.offset + lengthOf(last) : 0;
    this.#size = present.reduce((sum, piece) => sum + lengthOf(piece), 0);
    this.#pieces = present.length;
    this.#isLoaded = true;
  }
}

async function piecesOf(path: string): Promise<readonly StoredPiece[]> {
  const text = await readFileIfPresent(path);
  return (text ?? "").split("\n").flatMap((line) => {
    try {
      return line === "" ? [] : [JSON.parse(line) as StoredPiece];
    } catch {
      // Torn when the host agent was killed while it was written.
      return [];
    }
  });
}

function lengthOf({ bytes }: StoredPiece): number {
  return Buffer.byteLength(bytes, "base64");
}
