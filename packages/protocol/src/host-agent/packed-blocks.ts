import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { TEMPLATE_BLOCK_BYTES } from "./template-copies.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
const FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Index, size of the block, and size as it follows; each as a 32-bit big-endian number. */
const HEADER_BYTES = 12;
/** In the place of an index: no block follows. */
const END = 0xff_ff_ff_ff;

export interface TemplateBlock {
  readonly index: number;
  readonly bytes: Buffer;
}

/**
 * Blocks as they cross a link: each behind a header, compressed with zstd where that makes it smaller. A header without a block ends
 * them, so that a stream that was cut off is not taken for a whole one.
 */
export async function* packBlocks(blocks: AsyncIterable<TemplateBlock>): AsyncGenerator<Uint8Array> {
  for await (const { index, bytes } of blocks) {
    const packed = await compress(bytes, FAST);
    const content = packed.length < bytes.length ? packed : bytes;
    yield Buffer.concat([headerOf(index, bytes.length, content.length), content]);
  }
  yield headerOf(END, 0, 0);
}

/**
 * Takes blocks apart that may come from anywhere, with no more than two of them in memory.
 *
 * @throws Error for what was not made by {@link packBlocks}, and for an end before the last header; what the chunks throw.
 */
export async function* unpackBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TemplateBlock> {
  const reader = new PieceReader(chunks);
  try {
    for (;;) {
      const header = await reader.take(HEADER_BYTES);
      const [index, size, packed] = [header.readUInt32BE(0), header.readUInt32BE(4), header.readUInt32BE(8)];
      if (index === END) return;
      if (size === 0 || size > TEMPLATE_BLOCK_BYTES || packed === 0 || packed > size)
        throw new Error(`block ${index} has ${packed} bytes of ${size}`);
      const content = await reader.take(packed);
      const bytes = packed === size ? content : await decompress(content, { maxOutputLength: size });
      if (bytes.length !== size)
        throw new Error(`block ${index} has ${bytes.length} bytes instead of ${size}`);
      yield { index, bytes };
    }
  } finally {
    await reader.close();
  }
}

/** Passes packed blocks on as they are, and calls `onBlock` with the size of each, before it was packed, when its last byte is there. */
export async function* countBlocks(
  chunks: AsyncIterable<Uint8Array>,
  onBlock: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  const header = Buffer.alloc(HEADER_BYTES);
  /** Bytes of the header that have passed, and of the block that have not. */
  let [known, left] = [0, 0];
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      if (left > 0) {
        const passed = Math.min(left, chunk.length - at);
        [at, left] = [at + passed, left - passed];
        if (left === 0) onBlock(header.readUInt32BE(4));
        continue;
      }
      const passed = Math.min(HEADER_BYTES - known, chunk.length - at);
      header.set(chunk.subarray(at, at + passed), known);
      [at, known] = [at + passed, known + passed];
      if (known < HEADER_BYTES) continue;
      [known, left] = [0, header.readUInt32BE(8)];
    }
    yield chunk;
  }
}

function headerOf(index: number, size: number, packed: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(index, 0);
  header.writeUInt32BE(size, 4);
  header.writeUInt32BE(packed, 8);
  return header;
}

/** Exact numbers of bytes from chunks of any size. */
class PieceReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #held: Buffer[] = [];
  #length = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async take(bytes: number): Promise<Buffer> {
    while (this.#length < bytes) {
      const next = await this.#chunks.next();
      if (next.done === true) throw new Error("the content was cut off");
      this.#held.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      this.#length += next.value.length;
    }
    const all = this.#held.length === 1 && this.#held[0] ? this.#held[0] : Buffer.concat(this.#held);
    this.#held = [all.subarray(bytes)];
    this.#length = all.length - bytes;
    return all.subarray(0, bytes);
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
