import { pageSize } from "./page.ts";

/** Source id of bytes that are zero and stored nowhere. */
export const zeroSource = "00000000-0000-0000-0000-000000000000";

/** A run of guest memory and the file that holds it. All numbers are bytes, multiples of the page size. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** Id of the generation or base whose file holds the bytes, or {@link zeroSource}. */
  readonly source: string;
  /** Position in that file; 0 for zero pages, where it means nothing. */
  readonly sourceOffset: number;
}

/** Sorted extents that cover a whole memory without gap or overlap. */
export type Mapping = readonly Extent[];

/** The mapping of a memory that lies in one file from its start. */
export function wholeFile(source: string, memorySize: number): Mapping {
  return [{ offset: 0, length: memorySize, source, sourceOffset: 0 }];
}

/** Part of an extent, keeping the position of its bytes. */
function cut(extent: Extent, from: number, to: number): Extent {
  const sourceOffset = extent.source === zeroSource ? 0 : extent.sourceOffset + from - extent.offset;
  return { offset: from, length: to - from, source: extent.source, sourceOffset };
}

/** The extents of `mapping` within `[offset, offset + length)`, cut to it. */
export function slice(mapping: Mapping, offset: number, length: number): Extent[] {
  const end = offset + length;
  const parts: Extent[] = [];
  for (let index = indexOf(mapping, offset); index < mapping.length; index += 1) {
    const extent = mapping[index];
    if (extent === undefined || extent.offset >= end) break;
    const to = Math.min(extent.offset + extent.length, end);
    const from = Math.max(extent.offset, offset);
    if (from < to) parts.push(cut(extent, from, to));
  }
  return parts;
}

/** Lays sorted `newer` extents over a mapping; the newer bytes win, cut parents keep their positions. */
export function overlay(older: Mapping, newer: readonly Extent[]): Mapping {
  const result: Extent[] = [];
  let from = 0;
  for (const extent of newer) {
    for (const part of slice(older, from, extent.offset - from)) result.push(part);
    result.push(extent);
    from = extent.offset + extent.length;
  }
  const end = older.at(-1);
  if (end !== undefined) {
    for (const part of slice(older, from, end.offset + end.length - from)) result.push(part);
  }
  return normalise(result);
}

/** Joins neighbours whose bytes also lie next to each other in the same file, and neighbouring zeros. */
export function normalise(extents: readonly Extent[]): Mapping {
  const result: Extent[] = [];
  for (const extent of extents) {
    const last = result.at(-1);
    if (last !== undefined && continues(last, extent)) {
      result[result.length - 1] = { ...last, length: last.length + extent.length };
    } else if (extent.length > 0) result.push(extent);
  }
  return result;
}

function continues(left: Extent, right: Extent): boolean {
  if (left.source !== right.source || left.offset + left.length !== right.offset) return false;
  return left.source === zeroSource || left.sourceOffset + left.length === right.sourceOffset;
}

/** The extent that covers `offset`, or undefined beyond the end. */
export function lookup(mapping: Mapping, offset: number): Extent | undefined {
  const extent = mapping[indexOf(mapping, offset)];
  return extent !== undefined && offset >= extent.offset && offset < extent.offset + extent.length
    ? extent
    : undefined;
}

/** Ids of the files that a mapping needs, zero excluded. */
export function sourcesOf(mapping: Mapping): Set<string> {
  const ids = new Set(mapping.map((extent) => extent.source));
  ids.delete(zeroSource);
  return ids;
}

/** What makes `mapping` unusable for a memory of `memorySize` bytes, or undefined when nothing does. */
export function problemOfMapping(mapping: Mapping, memorySize: number): string | undefined {
  let expected = 0;
  for (const [index, extent] of mapping.entries()) {
    const numbers = [extent.offset, extent.length, extent.sourceOffset];
    if (numbers.some((value) => !Number.isSafeInteger(value) || value < 0 || value % pageSize !== 0)) {
      return `mapping[${index}] is not aligned to pages`;
    }
    if (extent.length === 0) return `mapping[${index}].length is zero`;
    if (extent.offset !== expected) return `mapping[${index}].offset leaves a gap or overlaps`;
    if (!Number.isSafeInteger(extent.sourceOffset + extent.length)) {
      return `mapping[${index}].source_offset is out of range`;
    }
    expected += extent.length;
  }
  return expected === memorySize ? undefined : "mapping does not cover the memory";
}

/** Index of the last extent that starts at or before `offset`. */
function indexOf(mapping: Mapping, offset: number): number {
  let low = 0;
  let high = mapping.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((mapping[middle]?.offset ?? Infinity) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}
