/** Smaller pieces are copied together into blocks of this size; larger ones are kept as they came. */
const BLOCK_BYTES = 16 << 10;
const BLOCK_MIN = 256;

interface Block {
  memory: Buffer;
  /** Offset of its first byte in the stream. */
  readonly start: number;
  /** Bytes of the memory that are in use. */
  length: number;
}

/**
 * The bytes of a stream that its receiver does not have yet. What they cost, in memory and in time, depends on how many they are,
 * not on the sizes in which they came.
 */
export class UnreceivedBytes {
  readonly #blocks: Block[] = [];
  /** Index of the block in which the last part was. */
  #near = 0;
  #end = 0;
  #footprint = 0;

  /** Offset just past the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Bytes of memory that are held. */
  get footprint(): number {
    return this.#footprint;
  }

  /** Continues at an offset, with nothing held. */
  startAt(offset: number): void {
    this.clear();
    this.#end = offset;
  }

  clear(): void {
    this.#blocks.length = 0;
    this.#near = 0;
    this.#footprint = 0;
  }

  /** Adds bytes at {@link end}. Large ones are not copied: they must not change afterwards. */
  append(bytes: Uint8Array): void {
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    while (rest.length > 0) {
      const last = this.#blocks.at(-1);
      if (last && last.length < BLOCK_BYTES) {
        this.#grow(last, last.length + rest.length);
        const count = rest.copy(last.memory, last.length);
        last.length += count;
        this.#end += count;
        rest = rest.subarray(count);
      } else if (rest.length < BLOCK_BYTES)
        this.#add({ memory: Buffer.alloc(0), start: this.#end, length: 0 });
      else {
        this.#add({ memory: rest, start: this.#end, length: rest.length });
        this.#end += rest.length;
        return;
      }
    }
  }

  /** Bytes from `offset` on, at most `limit` of them: as many as lie together. */
  part(offset: number, limit: number): Buffer {
    if ((this.#blocks[this.#near]?.start ?? Infinity) > offset) this.#near = 0;
    for (let block = this.#blocks[this.#near]; block; block = this.#blocks[++this.#near]) {
      const from = offset - block.start;
      if (from < block.length) return block.memory.subarray(from, Math.min(block.length, from + limit));
    }
    return Buffer.alloc(0);
  }

  /** Lets go of blocks of which all bytes are before `offset`. */
  forget(offset: number): void {
    const kept = this.#blocks.findIndex(({ start, length }) => start + length > offset);
    const gone = this.#blocks.splice(0, kept < 0 ? this.#blocks.length : kept);
    for (const { memory } of gone) this.#footprint -= memory.length;
    this.#near = Math.max(0, this.#near - gone.length);
  }

  #add(block: Block): void {
    this.#blocks.push(block);
    this.#footprint += block.memory.length;
  }

  /** Parts that were given away keep the memory from before. */
  #grow(block: Block, wanted: number): void {
    if (block.memory.length >= Math.min(wanted, BLOCK_BYTES)) return;
    const size = Math.min(BLOCK_BYTES, Math.max(BLOCK_MIN, wanted, 2 * block.memory.length));
    const memory = Buffer.allocUnsafe(size);
    block.memory.copy(memory, 0, 0, block.length);
    this.#footprint += size - block.memory.length;
    block.memory = memory;
  }
}
