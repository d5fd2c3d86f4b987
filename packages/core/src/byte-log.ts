/** Bytes are kept in blocks of at most this size, so that little memory is allocated beyond what is held. */
const BLOCK_MAX = 16_384;
const BLOCK_MIN = 256;
/** What a block costs in addition to its bytes. */
const BLOCK_OVERHEAD = 160;

/** What a log costs of which nothing but the newest block is left. */
export const LAST_BLOCK_COST = BLOCK_MAX + BLOCK_OVERHEAD;

/** What a log costs at most that holds `bytes` bytes, in whatever sizes they arrived: heads of blocks, and room in the newest. */
export function logCost(bytes: number): number {
  return bytes + (bytes >> 3) + 8192;
}

/** Blocks of {@link BLOCK_MAX} bytes that no log uses, at most this many: new memory for each would make the garbage collector run all the time. */
const SPARE_LIMIT = 64;
const spare: Uint8Array[] = [];

interface Block {
  readonly memory: Uint8Array;
  /** The part of the memory that is in use. */
  from: number;
  to: number;
}

/**
 * A bounded log of bytes with offsets from zero (ARCHITECTURE.md#the-decisions-that-shape-everything). Old bytes fall out when the log is full;
 * a reader that asks for them is told from which offset the log still holds bytes. Appended bytes are copied into blocks: what a log
 * costs depends on how many bytes it holds, not on the sizes in which they arrived.
 */
export class ByteLog {
  readonly #capacity: number;
  readonly #blocks: Block[] = [];
  #start = 0;
  #end = 0;
  #footprint = 0;

  /** @param capacity - how many bytes are kept at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Offset of the oldest byte still held. */
  get start(): number {
    return this.#start;
  }

  /** Offset just past the newest byte. */
  get end(): number {
    return this.#end;
  }

  /** Bytes of memory that the log has allocated. */
  get footprint(): number {
    return this.#footprint;
  }

  /** Appends a copy of bytes at {@link end}. */
  append(bytes: Uint8Array): void {
    let rest = bytes;
    if (rest.length > this.#capacity) {
      this.skipTo(this.#end + rest.length - this.#capacity);
      rest = rest.subarray(rest.length - this.#capacity);
    }
    while (rest.length > 0) {
      const block = this.#tail(rest.length);
      const count = Math.min(rest.length, block.memory.length - block.to);
      block.memory.set(rest.subarray(0, count), block.to);
      block.to += count;
      this.#end += count;
      rest = rest.subarray(count);
      this.#trim(this.#end - this.#capacity);
    }
  }

  /** Continues at a later offset: the bytes between were lost on the way, and what is held before them is let go too. */
  skipTo(offset: number): void {
    if (offset <= this.#end) return;
    this.#drop(this.#blocks.length);
    this.#start = this.#end = offset;
  }

  /** Forgets every byte before `offset`. */
  forget(offset: number): void {
    this.#trim(Math.min(offset, this.#end));
  }

  /** Forgets the oldest bytes until the log costs at most `footprint`. */
  shrinkTo(footprint: number): void {
    let offset = this.#start;
    let left = this.#footprint;
    for (const { memory, from, to } of this.#blocks) {
      if (left <= footprint) break;
      offset += to - from;
      left -= memory.length + BLOCK_OVERHEAD;
    }
    this.#trim(offset);
  }

  /**
   * The held bytes from `offset` on, at most `limit` of them. `offset` of the answer is where they really start:
   * later than asked when older bytes were dropped.
   */
  read(
    offset: number,
    limit: number = Number.MAX_SAFE_INTEGER,
  ): { readonly offset: number; readonly bytes: Uint8Array } {
    const from = Math.min(Math.max(offset, this.#start), this.#end);
    const to = Math.min(this.#end, from + limit);
    const out = unwritten(to - from);
    let position = this.#start;
    for (const block of this.#blocks) {
      if (position >= to) break;
      const next = position + block.to - block.from;
      if (next > from) {
        const first = block.from + Math.max(0, from - position);
        const last = block.from + Math.min(next, to) - position;
        out.set(block.memory.subarray(first, last), Math.max(position, from) - from);
      }
      position = next;
    }
    return { offset: from, bytes: out };
  }

  /** The last block, with room for at least one byte. */
  #tail(wanted: number): Block {
    const last = this.#blocks.at(-1);
    if (last && last.to < last.memory.length) return last;
    const held = this.#end - this.#start;
    const size = Math.min(BLOCK_MAX, Math.max(wanted, held >> 3, BLOCK_MIN));
    const block: Block = { memory: (size === BLOCK_MAX && spare.pop()) || unwritten(size), from: 0, to: 0 };
    this.#blocks.push(block);
    this.#footprint += size + BLOCK_OVERHEAD;
    return block;
  }

  #trim(offset: number): void {
    let drop = offset - this.#start;
    if (drop <= 0) return;
    this.#start = offset;
    let whole = 0;
    for (const block of this.#blocks) {
      const length = block.to - block.from;
      if (length > drop) {
        block.from += drop;
        break;
      }
      drop -= length;
      whole++;
    }
    if (whole > 0) this.#drop(whole);
  }

  /** Lets go of the oldest blocks. What was read of them are copies: their memory is free. */
  #drop(count: number): void {
    for (const { memory } of this.#blocks.splice(0, count)) {
      this.#footprint -= memory.length + BLOCK_OVERHEAD;
      if (memory.length === BLOCK_MAX && spare.length < SPARE_LIMIT) spare.push(memory);
    }
  }
}

/** Memory that is written before it is read. It is not shared with other buffers, so what it costs is its size. */
function unwritten(size: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafeSlow(size);
  return new Uint8Array(buffer, byteOffset, size);
}
