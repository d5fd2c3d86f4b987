import { diffDataOffset } from "../diff-file.ts";
import type { DiffIndex } from "../diff-file.ts";
import { overlay, wholeFile, zeroSource } from "../mapping.ts";
import type { Extent, Mapping } from "../mapping.ts";
import { pageSize } from "../page.ts";

/** `count` pages from page number `first` on. */
export interface PageRange {
  readonly first: number;
  readonly count: number;
}

/** Which pages of a memory a page server brings in, and where the bytes of all pages are. */
export interface ServedPlan {
  /** Ascending; everything else is mapped from the base file. */
  readonly ranges: readonly PageRange[];
  readonly mapping: Mapping;
}

const magic = Buffer.from("WRENNRNG");
const headerSize = 24;
const entrySize = 16;
/** Each range is a mapping of its own in the machine's process, which may have 65,530 (vm.max_map_count). */
const maxRanges = 1024;

/**
 * Plans the serving of a memory that is a base file with a diff over it. Changed pages that lie close together become one
 * range with what is between them, as far as it takes to have few ranges.
 */
export function planServed(index: DiffIndex, base: string, diff: string): ServedPlan {
  const changed = [...index.pages, ...index.zeros].toSorted((left, right) => left - right);
  let gap = 0;
  let ranges = joined(changed, gap);
  while (ranges.length > maxRanges) {
    gap = gap * 2 + 1;
    ranges = joined(changed, gap);
  }
  const dataOffset = diffDataOffset(changed.length);
  const stored = index.pages.map((page, at): Extent => {
    const sourceOffset = dataOffset + at * pageSize;
    return { offset: page * pageSize, length: pageSize, source: diff, sourceOffset };
  });
  const zero = index.zeros.map((page): Extent => {
    return { offset: page * pageSize, length: pageSize, source: zeroSource, sourceOffset: 0 };
  });
  const extents = [...stored, ...zero].toSorted((left, right) => left.offset - right.offset);
  return { ranges, mapping: overlay(wholeFile(base, index.memorySize), extents) };
}

/** The file that native/mmap-shim reads: magic, version u32, count u32, memory size u64, then first u64 and count u64 of each. */
export function encodeRanges(ranges: readonly PageRange[], memorySize: number): Buffer {
  const bytes = Buffer.alloc(headerSize + ranges.length * entrySize);
  magic.copy(bytes);
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(ranges.length, 12);
  bytes.writeBigUInt64LE(BigInt(memorySize), 16);
  for (const [at, { first, count }] of ranges.entries()) {
    bytes.writeBigUInt64LE(BigInt(first), headerSize + at * entrySize);
    bytes.writeBigUInt64LE(BigInt(count), headerSize + at * entrySize + 8);
  }
  return bytes;
}

/** Ranges that hold all of the ascending `pages`; two that are at most `gap` pages apart become one. */
function joined(pages: readonly number[], gap: number): PageRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (const page of pages) {
    const last = ranges.at(-1);
    if (last !== undefined && page - (last.first + last.count) <= gap) last.count = page - last.first + 1;
    else ranges.push({ first: page, count: 1 });
  }
  return ranges;
}
