import { invalidOption } from "../transport/options.ts";
import { bodySpent, inMemory, isStream, readerOf, sizeOf, slice } from "./file-data.ts";
import type { ChunkReader, FileData } from "./file-data.ts";

const CALL = "files.upload";

/**
 * What an upload is made from. A function is called with the offset at which its data has to begin; the data of one without a
 * parameter begins at 0, and what the capsule already has of it is skipped.
 */
export type UploadSource = FileData | ((offset: number) => FileData | Promise<FileData>);

/** Data of a known size, in pieces that begin where they are needed. */
export interface Pieces {
  readonly size: number;
  /**
   * The bytes at an offset: as many as a request takes, or the rest. The array is used again for the next piece.
   *
   * @throws WrennError `body_spent` for bytes of a one-shot stream that are gone; `invalid_option` when the data has another size.
   */
  readonly at: (offset: number) => Promise<Uint8Array<ArrayBuffer>>;
  readonly close: () => void;
}

/** @throws WrennError `invalid_option` without a size, and for one that is not that of the data. */
export function piecesOf(source: UploadSource, size: number | undefined, chunkBytes: number): Pieces {
  if (!Number.isSafeInteger(chunkBytes) || chunkBytes < 1)
    throw invalidOption(CALL, "chunkBytes", "must be a number of bytes from 1");
  if (typeof source === "function" || isStream(source)) {
    if (size === undefined) throw invalidOption(CALL, "size", "is required for streams and functions");
    if (!Number.isSafeInteger(size) || size < 0)
      throw invalidOption(CALL, "size", "must be a number of bytes");
    return new StreamPieces(source, size, chunkBytes);
  }
  const data = inMemory(CALL, source);
  const actual = sizeOf(data);
  if (size !== undefined && size !== actual) throw differentSize(size, `has ${actual}`);
  return {
    size: actual,
    at: (offset) => slice(data, offset, Math.min(offset + chunkBytes, actual)),
    close: () => undefined,
  };
}

type StreamSource = Exclude<UploadSource, string | Uint8Array | ArrayBuffer | Blob>;

/** Keeps one piece of a stream, so that it can be sent again. */
class StreamPieces implements Pieces {
  readonly size: number;
  readonly #source: StreamSource;
  readonly #buffer: Uint8Array<ArrayBuffer>;
  #reader: ChunkReader | undefined;
  /** Where the kept piece begins, and its length. */
  #start = 0;
  #length = 0;
  /** Read, but not yet part of a piece. */
  #rest: Uint8Array = new Uint8Array();

  constructor(source: StreamSource, size: number, chunkBytes: number) {
    this.#source = source;
    this.size = size;
    this.#buffer = new Uint8Array(Math.min(size, chunkBytes));
  }

  async at(offset: number): Promise<Uint8Array<ArrayBuffer>> {
    const end = this.#start + this.#length;
    if (!this.#reader || offset < this.#start || offset > end) await this.#seek(offset);
    else if (offset < end) return this.#buffer.subarray(offset - this.#start, this.#length);
    await this.#fill(offset);
    return this.#buffer.subarray(0, this.#length);
  }

  close(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  async #seek(offset: number): Promise<void> {
    const source = this.#source;
    if (typeof source !== "function") {
      // The stream has not been read, or its bytes are gone.
      if (this.#reader) throw bodySpent(CALL);
      this.#reader = readerOf(CALL, source);
      await this.#skip(offset);
      return;
    }
    this.close();
    this.#rest = new Uint8Array();
    const data = await source(offset);
    this.#reader = readerOf(CALL, isStream(data) ? data : inMemory(CALL, data));
    if (source.length === 0) await this.#skip(offset);
  }

  /** Passes over what the capsule already has. */
  async #skip(bytes: number): Promise<void> {
    let left = bytes;
    while (left > 0) {
      const chunk = await this.#next();
      if (!chunk) throw differentSize(this.size, `ended after ${bytes - left}`);
      this.#rest = chunk.subarray(left);
      left -= Math.min(left, chunk.length);
    }
  }

  /** Reads the next piece. The end of the data is seen before the last piece is given. */
  async #fill(offset: number): Promise<void> {
    const length = Math.min(this.#buffer.length, this.size - offset);
    [this.#start, this.#length] = [offset, 0];
    while (this.#length < length) {
      const chunk = await this.#next();
      if (!chunk) throw differentSize(this.size, `ended after ${offset + this.#length}`);
      const taken = chunk.subarray(0, length - this.#length);
      this.#buffer.set(taken, this.#length);
      this.#length += taken.length;
      this.#rest = chunk.subarray(taken.length);
    }
    if (offset + length < this.size) return;
    const more = await this.#next();
    if (more) throw differentSize(this.size, "has more");
  }

  async #next(): Promise<Uint8Array | undefined> {
    let chunk: Uint8Array | undefined = this.#rest;
    this.#rest = new Uint8Array();
    while (chunk?.length === 0) chunk = await this.#reader?.next();
    return chunk;
  }
}

function differentSize(size: number, actual: string): Error {
  return invalidOption(CALL, "size", `is ${size} bytes, but the data ${actual}`);
}
