import { WrennError } from "@wrenn/core";
import { decodeDiffIndex, diffDataOffset } from "./diff-file.ts";
import { Checksums } from "./diff-writer.ts";
import { checksumGroup, decodeHeader } from "./header.ts";
import type { Header } from "./header.ts";
import type { PageSource } from "./page-source.ts";
import { pageSize } from "./page.ts";
import type { StoreFiles } from "./store-files.ts";

const maxHeader = 64 << 20;

/** Name of the file that holds the pages of generation `id`. */
export function diffName(id: string): string {
  return `${id}.diff`;
}

/** @throws WrennError `snapshot_corrupt`. */
export async function readHeader(files: StoreFiles, id: string): Promise<Header> {
  const name = `${id}.header`;
  const size = await files.size(name);
  if (size > maxHeader) throw new WrennError("snapshot_corrupt", { what: name, problem: "it is too large" });
  const header = decodeHeader(await files.read(name, 0, size), name);
  if (header.id !== id) throw new WrennError("snapshot_corrupt", { what: name, problem: "id is another's" });
  return header;
}

/** The bytes of a generation's file; a read beyond its end fails with `snapshot_corrupt`. */
export function generationSource(files: StoreFiles, id: string): PageSource {
  return {
    size: Infinity,
    read: async (offset, length, signal) => {
      signal.throwIfAborted();
      const bytes = await files.read(diffName(id), offset, length);
      if (bytes.length !== length) {
        throw new WrennError("snapshot_corrupt", { what: diffName(id), problem: "it is cut short" });
      }
      return bytes;
    },
  };
}

/**
 * Reads a generation's file and compares it with its checksums.
 *
 * @throws WrennError `snapshot_corrupt` naming the group of pages that is wrong.
 */
export async function verifyGeneration(files: StoreFiles, id: string, signal: AbortSignal): Promise<void> {
  const header = await readHeader(files, id);
  const { name, dataOffset, size } = await checkIndex(files, id, header.memorySize);
  const groups = Math.ceil((size - dataOffset) / checksumGroup);
  if (groups !== header.checksums.length) {
    throw new WrennError("snapshot_corrupt", { what: name, problem: "its length is wrong" });
  }
  for (let group = 0; group < groups; group += 1) {
    signal.throwIfAborted();
    const sums = new Checksums();
    sums.add(await files.read(name, dataOffset + group * checksumGroup, checksumGroup));
    if (sums.finish()[0] !== header.checksums[group]) {
      throw new WrennError("snapshot_corrupt", {
        what: name,
        problem: `page group ${group} has a wrong crc`,
      });
    }
  }
}

/** Puts `bytes` under `name`, whole or not at all; the name itself is durable after the directory's sync. */
export async function writeDurable(files: StoreFiles, name: string, bytes: Buffer): Promise<void> {
  const file = await files.create(`${name}.tmp`);
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await files.rename(`${name}.tmp`, name);
}

async function checkIndex(
  files: StoreFiles,
  id: string,
  memorySize: number,
): Promise<{ readonly name: string; readonly dataOffset: number; readonly size: number }> {
  const name = diffName(id);
  const size = await files.size(name);
  const largestIndex = diffDataOffset(memorySize / pageSize);
  const index = decodeDiffIndex(await files.read(name, 0, Math.min(size, largestIndex)), name);
  const dataOffset = diffDataOffset(index.pages.length + index.zeros.length);
  if (index.memorySize !== memorySize || size !== dataOffset + index.pages.length * pageSize) {
    throw new WrennError("snapshot_corrupt", { what: name, problem: "its size does not fit its index" });
  }
  return { name, dataOffset, size };
}
