import { promisify } from "node:util";
import { crc32, zstdCompress, zstdDecompress } from "node:zlib";
import { WrennError } from "@wrenn/core";
import type { PageSource } from "./page-source.ts";
import { pageSize } from "./page.ts";

/** Bytes of memory in one compressed chunk. */
export const chunkBytes = 64 * pageSize;

const magic = Buffer.from("WRENNCHK");
const headSize = 32;
const entrySize = 16;

/**
 * Writes a memory as zstd chunks behind an index: magic, version u32, chunk bytes u32, memory size u64, count u32,
 * CRC32 u32 of head and index, then per chunk its position u64, length u32 and the CRC32 u32 of its content.
 */
export async function writeChunks(
  source: PageSource,
  write: (bytes: Uint8Array, position: number) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const count = Math.ceil(source.size / chunkBytes);
  const head = Buffer.alloc(headSize + count * entrySize);
  magic.copy(head);
  head.writeUInt32LE(1, 8);
  head.writeUInt32LE(chunkBytes, 12);
  head.writeBigUInt64LE(BigInt(source.size), 16);
  head.writeUInt32LE(count, 24);
  let position = head.length;
  for (let chunk = 0; chunk < count; chunk += 1) {
    const offset = chunk * chunkBytes;
    const bytes = await source.read(offset, Math.min(chunkBytes, source.size - offset), signal);
    const packed = await promisify(zstdCompress)(bytes);
    const at = headSize + chunk * entrySize;
    head.writeBigUInt64LE(BigInt(position), at);
    head.writeUInt32LE(packed.length, at + 8);
    head.writeUInt32LE(crc32(bytes), at + 12);
    await write(packed, position);
    position += packed.length;
  }
  head.writeUInt32LE(crc32(head), 28);
  await write(head, 0);
}

/** Reads a range of a chunk file, from wherever it is kept; fewer bytes only at its end. */
export type Fetch = (offset: number, length: number, signal: AbortSignal) => Promise<Uint8Array>;

/** Unpacked chunks that are kept, because faults come in neighbourhoods, several at a time. */
const keptChunks = 16;

/**
 * A memory kept as a chunk file.
 *
 * @throws WrennError `snapshot_corrupt` when head or index are damaged.
 */
export async function openChunks(fetch: Fetch, what: string, signal: AbortSignal): Promise<PageSource> {
  const fail = (problem: string): never => {
    throw new WrennError("snapshot_corrupt", { what, problem });
  };
  const start = Buffer.from(await fetch(0, headSize, signal));
  if (start.length < headSize || !start.subarray(0, 8).equals(magic)) fail("magic is wrong");
  if (start.readUInt32LE(8) !== 1 || start.readUInt32LE(12) !== chunkBytes) fail("version is unknown");
  const size = Number(start.readBigUInt64LE(16));
  const count = start.readUInt32LE(24);
  if (size > 2 ** 40 || count !== Math.ceil(size / chunkBytes)) fail("memory_size is wrong");
  const head = Buffer.from(await fetch(0, headSize + count * entrySize, signal));
  if (head.length !== headSize + count * entrySize) fail("index is cut short");
  const crc = head.readUInt32LE(28);
  head.writeUInt32LE(0, 28);
  if (crc32(head) !== crc) fail("crc is wrong");
  const kept = new Map<number, Promise<Buffer>>();
  const load = (chunk: number, signal: AbortSignal): Promise<Buffer> => {
    const known = kept.get(chunk) ?? fetchChunk(chunk, signal);
    // The one used last is the last to go; one that failed is asked for again.
    kept.delete(chunk);
    kept.set(chunk, known);
    known.catch(() => kept.delete(chunk));
    for (const oldest of kept.keys()) {
      if (kept.size <= keptChunks) break;
      kept.delete(oldest);
    }
    return known;
  };
  const fetchChunk = async (chunk: number, signal: AbortSignal): Promise<Buffer> => {
    const at = headSize + chunk * entrySize;
    const length = head.readUInt32LE(at + 8);
    if (length > chunkBytes * 2) fail(`chunk ${chunk} is too long`);
    const packed = await fetch(Number(head.readBigUInt64LE(at)), length, signal);
    const bytes = await unpack(packed).catch(() => fail(`chunk ${chunk} cannot be decompressed`));
    const wanted = Math.min(chunkBytes, size - chunk * chunkBytes);
    if (bytes.length !== wanted || crc32(bytes) !== head.readUInt32LE(at + 12)) {
      fail(`chunk ${chunk} has a wrong crc`);
    }
    return bytes;
  };
  return {
    size,
    async read(offset, length, signal) {
      if (offset < 0 || offset + length > size) fail(`no bytes at ${offset}+${length}`);
      const result = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const chunk = Math.floor((offset + done) / chunkBytes);
        const within = offset + done - chunk * chunkBytes;
        const bytes = await load(chunk, signal);
        const piece = bytes.subarray(within, within + length - done);
        result.set(piece, done);
        done += piece.length;
      }
      return result;
    },
  };
}

async function unpack(packed: Uint8Array): Promise<Buffer> {
  return promisify(zstdDecompress)(packed, { maxOutputLength: chunkBytes });
}
