import { open, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { systemRandom } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { decodeDiffIndex, diffDataOffset } from "./diff-file.ts";
import { writeDiff } from "./diff-writer.ts";
import { findDirtyPages } from "./dirty-pages.ts";
import type { ProcessMemory } from "./dirty-pages.ts";
import { pageSize } from "./page.ts";
import { directoryFiles } from "./store-files.ts";

/** Pages are copied in pieces of this many. */
const PIECE_PAGES = 256;
const HEADER_BYTES = 48;

/**
 * Writes the pages of a stopped machine's memory that differ from its template to the diff file `path`.
 *
 * @returns the size of the file, bytes.
 * @throws WrennError `host_swap_on`, `machine_died`.
 */
export async function saveMemory(memory: ProcessMemory, path: string, signal: AbortSignal): Promise<number> {
  const dirty = await findDirtyPages(memory, signal);
  const files = directoryFiles(dirname(path));
  const file = await files.create(basename(path));
  try {
    await writeDiff(file, systemRandom.uuid(), dirty, signal);
  } finally {
    await file.close();
  }
  return await files.size(basename(path));
}

/** Writes base memory with the pages of a diff over it to `target`. Holes of the base stay holes. */
export async function mergeMemory(
  base: string,
  diff: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  await rm(target, { force: true });
  await runCommand(["cp", "--sparse=always", "--reflink=auto", base, target], { signal });
  await using from = await open(diff, "r");
  await using to = await open(target, "r+");
  const header = Buffer.alloc(HEADER_BYTES);
  await from.read(header, 0, HEADER_BYTES, 0);
  const count = Number(header.readBigUInt64LE(16) + header.readBigUInt64LE(24));
  const head = Buffer.alloc(Math.min(diffDataOffset(count), (await from.stat()).size));
  await from.read(head, 0, head.length, 0);
  const { pages, zeros } = decodeDiffIndex(head, diff);
  const piece = Buffer.alloc(PIECE_PAGES * pageSize);
  for (let at = 0; at < pages.length;) {
    signal.throwIfAborted();
    const first = pages[at] ?? 0;
    let length = 1;
    while (length < PIECE_PAGES && pages[at + length] === first + length) length++;
    const bytes = piece.subarray(0, length * pageSize);
    await from.read(bytes, 0, bytes.length, head.length + at * pageSize);
    await to.write(bytes, 0, bytes.length, first * pageSize);
    at += length;
  }
  const zero = Buffer.alloc(pageSize);
  for (const page of zeros) await to.write(zero, 0, pageSize, page * pageSize);
  await to.datasync();
}
