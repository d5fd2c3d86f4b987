import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { TEMPLATE_BLOCK_BYTES } from "@wrenn/protocol";
import type { TemplateBlock } from "@wrenn/protocol";

const ZEROS = Buffer.alloc(TEMPLATE_BLOCK_BYTES);
/** What file systems allocate: zeros between two of these stay a hole. */
const PAGE_BYTES = 4096;

/** A part of a file that is not a hole. */
export interface FileExtent {
  readonly start: number;
  readonly length: number;
}

/** The parts of a file that may have data, in their order; the composition root knows how they are found. */
export type MapFile = (path: string, signal: AbortSignal) => Promise<readonly FileExtent[]>;

/** How many blocks a file has. */
export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TEMPLATE_BLOCK_BYTES);
}

/** Size of one block: the last one may be shorter. */
export function blockBytes(index: number, sizeBytes: number): number {
  return Math.min(TEMPLATE_BLOCK_BYTES, sizeBytes - index * TEMPLATE_BLOCK_BYTES);
}

/** The blocks of a file from one on that are not all zeros, in their order. */
export async function* readBlocks(
  path: string,
  map: MapFile,
  fromBlock: number,
  signal: AbortSignal,
): AsyncGenerator<TemplateBlock> {
  // Opened first: a file that is removed can be read to its end.
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    let next = fromBlock;
    for (const { start, length } of await map(path, signal)) {
      const last = Math.floor((start + length - 1) / TEMPLATE_BLOCK_BYTES);
      for (let index = Math.max(next, Math.floor(start / TEMPLATE_BLOCK_BYTES)); index <= last; index++) {
        signal.throwIfAborted();
        next = index + 1;
        const bytes = await readBlock(file, index, size);
        if (bytes.length > 0 && !isZero(bytes)) yield { index, bytes };
      }
    }
  } finally {
    await file.close();
  }
}

/** Writes a block into a file of zeros; what is zero in it stays a hole. */
export async function writeBlock(file: FileHandle, { index, bytes }: TemplateBlock): Promise<void> {
  const at = index * TEMPLATE_BLOCK_BYTES;
  let begin = 0;
  while (begin < bytes.length) {
    const isHole = isZero(bytes.subarray(begin, begin + PAGE_BYTES));
    let end = begin + PAGE_BYTES;
    while (end < bytes.length && isZero(bytes.subarray(end, end + PAGE_BYTES)) === isHole) end += PAGE_BYTES;
    end = Math.min(end, bytes.length);
    if (!isHole) await file.write(bytes, begin, end - begin, at + begin);
    begin = end;
  }
}

/** Digest of the content of a file, to which its blocks are added in their order (docs/reference/hosts.md#copies-of-templates). */
export class ContentHash {
  readonly #hash: Hash = createHash("sha256");

  add({ index, bytes }: TemplateBlock): void {
    const name = Buffer.alloc(4);
    name.writeUInt32BE(index);
    this.#hash.update(name).update(bytes);
  }

  /** Hexadecimal. Nothing can be added afterwards. */
  end(sizeBytes: number): string {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(sizeBytes));
    return this.#hash.update(size).digest("hex");
  }
}

async function readBlock(file: FileHandle, index: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, blockBytes(index, size)));
  let length = 0;
  while (length < bytes.length) {
    const { bytesRead } = await file.read(
      bytes,
      length,
      bytes.length - length,
      index * TEMPLATE_BLOCK_BYTES + length,
    );
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

function isZero(bytes: Uint8Array): boolean {
  return ZEROS.compare(bytes, 0, bytes.length, 0, bytes.length) === 0;
}
