import { createReadStream } from "node:fs";
import { open, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "@wrenn/system";
import { compressionOfBytes } from "../disk/decompress.ts";
import type { Compression } from "../disk/decompress.ts";

/** A part of a file on disk, which is a file of an archive. */
export interface FileRegion {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** The files of an archive, wherever they are. */
export interface ArchiveFiles extends AsyncDisposable {
  /** Where a file is; undefined where there is none. Names are relative, without `..`. */
  locate(name: string): Promise<FileRegion | undefined>;
}

/** An archive that is a directory: what `tar` would make of it. */
export class DirectoryFiles implements ArchiveFiles {
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
  }

  static async open(directory: string): Promise<DirectoryFiles> {
    return new DirectoryFiles(await realpath(directory));
  }

  async locate(name: string): Promise<FileRegion | undefined> {
    try {
      const path = await realpath(join(this.#root, name));
      const { size, isFile } = await stat(path).then((found) => ({
        size: found.size,
        isFile: found.isFile(),
      }));
      // A link in the directory may lead out of it, to files that are none of the image's.
      return isFile && path.startsWith(`${this.#root}/`) ? { path, offset: 0, size } : undefined;
    } catch (error) {
      if (hasCode(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG", "EACCES")) return undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }
}

/** The bytes of a region. */
export async function* regionPieces(
  { path, offset, size }: FileRegion,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (size === 0) return;
  const source = createReadStream(path, { start: offset, end: offset + size - 1, highWaterMark: 256 * 1024 });
  for await (const piece of source as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    yield piece;
  }
}

/** All bytes of a region; undefined where it is larger than `limit`. */
export async function readRegion(
  region: FileRegion,
  limit: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  if (region.size > limit) return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of regionPieces(region, signal)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** How a region is compressed, by its first bytes. */
export async function compressionOfRegion({ path, offset, size }: FileRegion): Promise<Compression> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, Math.min(4, size), offset);
    return compressionOfBytes(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
