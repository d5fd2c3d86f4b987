import { crc32 } from "node:zlib";
import { WrennError } from "@wrenn/core";
import { pageSize, roundUpToPage } from "./page.ts";

/**
 * The file of one generation, which is also what the memory shim lays over a private mapping at restore:
 *
 *     0 magic "WRENNDIF" · 8 version u32 = 1 · 12 page size u32 = 4096 · 16 page count u64 · 24 zero count u64
 *     32 memory size u64 · 40 CRC32 u32 of header (with this field 0) and index · 44 reserved u32 = 0
 *     48 page numbers u64[] ascending · zero page numbers u64[] ascending · data from the next page boundary
 *
 * A page is in one list or in none; a page in none is unchanged.
 */
export interface DiffIndex {
  /** Bytes. */
  readonly memorySize: number;
  /** Page numbers whose data follows, ascending. */
  readonly pages: readonly number[];
  /** Page numbers that are zero, ascending. */
  readonly zeros: readonly number[];
}

const magic = Buffer.from("WRENNDIF");
const headerSize = 48;

/** Where data begins in a diff that lists `count` pages, zero pages included. Bytes. */
export function diffDataOffset(count: number): number {
  return roundUpToPage(headerSize + count * 8);
}

/** Header and index, padded to where data begins. */
export function encodeDiffIndex(index: DiffIndex): Buffer {
  const count = index.pages.length + index.zeros.length;
  const bytes = Buffer.alloc(diffDataOffset(count));
  magic.copy(bytes);
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(pageSize, 12);
  bytes.writeBigUInt64LE(BigInt(index.pages.length), 16);
  bytes.writeBigUInt64LE(BigInt(index.zeros.length), 24);
  bytes.writeBigUInt64LE(BigInt(index.memorySize), 32);
  let at = headerSize;
  for (const list of [index.pages, index.zeros]) {
    for (const page of list) {
      bytes.writeUInt32LE(page, at);
      at += 8;
    }
  }
  bytes.writeUInt32LE(crc32(bytes.subarray(0, at)), 40);
  return bytes;
}

/**
 * Reads header and index of a diff file; `bytes` begins at the file's start and may hold data after the index.
 *
 * @throws WrennError `snapshot_corrupt` naming the field that is wrong.
 */
export function decodeDiffIndex(bytes: Buffer, what: string): DiffIndex {
  const fail = (problem: string): never => {
    throw new WrennError("snapshot_corrupt", { what, problem });
  };
  if (bytes.length < headerSize) fail("diff is cut short");
  if (!bytes.subarray(0, 8).equals(magic)) fail("magic is wrong");
  if (bytes.readUInt32LE(8) !== 1) fail(`version ${bytes.readUInt32LE(8)} is unknown`);
  if (bytes.readUInt32LE(12) !== pageSize) fail("page_size is not 4096");
  const [pageCount, zeroCount] = [Number(bytes.readBigUInt64LE(16)), Number(bytes.readBigUInt64LE(24))];
  const memorySize = Number(bytes.readBigUInt64LE(32));
  if (memorySize > 2 ** 40 || memorySize % pageSize !== 0) fail("memory_size is out of range");
  const end = headerSize + (pageCount + zeroCount) * 8;
  if (pageCount + zeroCount > memorySize / pageSize) fail("page_count is larger than the memory");
  if (end > bytes.length) fail("index is cut short");
  const head = Buffer.from(bytes.subarray(0, end));
  head.writeUInt32LE(0, 40);
  if (crc32(head) !== bytes.readUInt32LE(40)) fail("crc is wrong");
  const list = (from: number, count: number, field: string): number[] => {
    const pages: number[] = [];
    for (let index = 0; index < count; index += 1) {
      const page = Number(bytes.readBigUInt64LE(from + index * 8));
      if (page <= (pages.at(-1) ?? -1) || page >= memorySize / pageSize) fail(`${field}[${index}] is wrong`);
      pages.push(page);
    }
    return pages;
  };
  const pages = list(headerSize, pageCount, "pages");
  const zeros = list(headerSize + pageCount * 8, zeroCount, "zeros");
  const known = new Set(pages);
  if (zeros.some((page) => known.has(page))) fail("a page is in both lists");
  return { memorySize, pages, zeros };
}
