import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { CLUSTER, COPIED, encodeHeader } from "./qcow2.ts";
import type { Overlay } from "./qcow2.ts";

/** Clusters of the file: header, refcount table, L1 table; then what is allocated. */
const REFCOUNT_TABLE = CLUSTER;
const L1 = CLUSTER * 2;
const FIRST_FREE = CLUSTER * 3;
/** A block of 16-bit reference counts covers this many clusters. */
const COUNTS_PER_BLOCK = CLUSTER / 2;

/** An overlay that is written from its beginning to its end. Parts of it that are not written are holes. */
export class FlatImage implements AsyncDisposable {
  readonly #file: FileHandle;
  /** Entries of the L1 table: where L2 tables are, by their number. */
  readonly #tables = new Map<number, number>();
  #end = FIRST_FREE;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws system errors, `EEXIST` when the file exists; RangeError. */
  static async create(path: string, overlay: Overlay): Promise<FlatImage> {
    const header = encodeHeader(overlay, { refcountTable: REFCOUNT_TABLE, l1: L1 });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const image = new FlatImage(await open(path, flags, 0o600));
    try {
      await image.write(header, 0);
    } catch (error) {
      await image.#file.close();
      throw error;
    }
    return image;
  }

  /** The place of a new cluster. Each comes right behind the one before it. */
  allocate(): number {
    const offset = this.#end;
    this.#end += CLUSTER;
    return offset;
  }

  async write(bytes: Buffer, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, position + done);
      done += bytesWritten;
    }
  }

  /** Adds an L2 table. @param words Four for each of its entries; they are not to be used afterwards. */
  async addTable(index: number, words: Uint32Array): Promise<void> {
    const offset = this.allocate();
    this.#tables.set(index, offset);
    await this.write(Buffer.from(words.buffer, words.byteOffset, words.byteLength).swap32(), offset);
  }

  /** Writes what describes the rest, and makes everything durable. */
  async finish(): Promise<void> {
    const entry = Buffer.alloc(8);
    for (const [index, offset] of this.#tables) {
      entry.writeBigUInt64BE(BigInt(offset) | COPIED);
      await this.write(entry, L1 + index * 8);
    }
    // The blocks count themselves.
    const counted = this.#end / CLUSTER;
    let blocks = 0;
    while (blocks * COUNTS_PER_BLOCK < counted + blocks) blocks++;
    const first = this.#end;
    for (let block = 0; block < blocks; block++) {
      this.allocate();
      const counts = Math.min(COUNTS_PER_BLOCK, counted + blocks - block * COUNTS_PER_BLOCK);
      const bytes = Buffer.alloc(counts * 2);
      for (let at = 0; at < counts; at++) bytes.writeUInt16BE(1, at * 2);
      await this.write(bytes, first + block * CLUSTER);
      entry.writeBigUInt64BE(BigInt(first + block * CLUSTER));
      await this.write(entry, REFCOUNT_TABLE + block * 8);
    }
    await this.#file.truncate(this.#end);
    await this.#file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
