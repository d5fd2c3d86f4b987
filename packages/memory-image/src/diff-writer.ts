import { crc32 } from "node:zlib";
import { diffDataOffset, encodeDiffIndex } from "./diff-file.ts";
import type { DirtyPages } from "./dirty-pages.ts";
import { checksumGroup } from "./header.ts";
import { normalise, zeroSource } from "./mapping.ts";
import type { Extent, Mapping } from "./mapping.ts";
import { isZeroPage, pageSize } from "./page.ts";
import type { StoreFile } from "./store-files.ts";

/** Scattered pages are gathered into writes of this many bytes. */
const batchBytes = 256 * pageSize;

/** What was written: where each page of the diff is, and the checksums of the whole file. */
export interface WrittenDiff {
  readonly extents: Mapping;
  readonly checksums: Uint32Array;
}

/**
 * Streams dirty pages into a diff file. Data comes first and the index last: its size is known from the count of
 * pages, because each of them is either stored or listed as zero.
 */
export async function writeDiff(
  file: StoreFile,
  id: string,
  dirty: DirtyPages,
  signal: AbortSignal,
): Promise<WrittenDiff> {
  const dataOffset = diffDataOffset(dirty.count);
  const pages: number[] = [];
  const zeros: number[] = [];
  const extents: Extent[] = [];
  const sums = new Checksums();
  const batch = Buffer.allocUnsafeSlow(batchBytes);
  let filled = 0;
  let at = dataOffset;
  const flush = async (): Promise<void> => {
    const bytes = batch.subarray(0, filled);
    await file.write(bytes, at);
    sums.add(bytes);
    at += filled;
    filled = 0;
  };
  for await (const run of dirty.runs(signal)) {
    const words = new Int32Array(run.bytes.buffer, run.bytes.byteOffset, run.bytes.length / 4);
    for (let from = 0; from < run.bytes.length; from += pageSize) {
      const page = run.firstPage + from / pageSize;
      const offset = page * pageSize;
      if (isZeroPage(words, from / 4)) {
        zeros.push(page);
        extents.push({ offset, length: pageSize, source: zeroSource, sourceOffset: 0 });
      } else {
        pages.push(page);
        extents.push({ offset, length: pageSize, source: id, sourceOffset: at + filled });
        filled += run.bytes.copy(batch, filled, from, from + pageSize);
        if (filled === batchBytes) await flush();
      }
    }
  }
  if (filled > 0) await flush();
  const index = encodeDiffIndex({ memorySize: dirty.memorySize, pages, zeros });
  await file.write(index, 0);
  return { extents: normalise(extents), checksums: sums.finish() };
}

/** CRC32 of each group of the data of a diff. The index before the data has a checksum of its own. */
export class Checksums {
  readonly #sums: number[] = [];
  #crc = 0;
  #filled = 0;

  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length;) {
      const piece = bytes.subarray(from, from + checksumGroup - this.#filled);
      this.#crc = crc32(piece, this.#crc);
      this.#filled += piece.length;
      from += piece.length;
      if (this.#filled === checksumGroup) this.#close();
    }
  }

  finish(): Uint32Array {
    if (this.#filled > 0) this.#close();
    return Uint32Array.from(this.#sums);
  }

  #close(): void {
    this.#sums.push(this.#crc);
    this.#crc = 0;
    this.#filled = 0;
  }
}
