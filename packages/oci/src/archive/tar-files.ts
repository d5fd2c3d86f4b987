import { rm } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { compressionOf, decompress } from "../disk/decompress.ts";
import { Spool } from "../disk/spool.ts";
import type { TarEntry } from "../tar/tar-entry.ts";
import { TarError } from "../tar/tar-error.ts";
import { TarReader } from "../tar/tar-reader.ts";
import { TreeError } from "../tree/tree-error.ts";
import { componentsOf } from "../tree/tree-path.ts";
import type { ArchiveFiles, FileRegion } from "./archive-files.ts";

/** An image has at most two files for each layer, and an archive may have many images. */
const MAX_MEMBERS = 100_000;
const MAX_LINKS = 8;
const ADMITTED_BYTES = 16 * 2 ** 20;

export interface TarFilesOptions {
  /** An existing directory; a compressed archive is decompressed there. */
  readonly scratch: string;
  /** Bytes of the archive after decompression. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Is asked before a compressed archive takes another {@link ADMITTED_BYTES} of the disk. */
  readonly admit?: () => Promise<void>;
}

/** The files of a tar archive, which stay where they are in it. Links lead to other files of the archive. */
export class TarFiles implements ArchiveFiles {
  readonly #path: string;
  readonly #regions = new Map<string, FileRegion>();
  readonly #links = new Map<string, string>();
  readonly #owned: AsyncDisposableStack;

  private constructor(path: string, owned: AsyncDisposableStack) {
    this.#path = path;
    this.#owned = owned;
  }

  /**
   * Reads through an archive, which may be compressed with gzip or zstd.
   *
   * @throws TarError where it is none; WrennError `image_too_large` or `disk_full`; the signal's reason.
   */
  static async open(
    archive: string,
    { scratch, maxBytes, signal, admit }: TarFilesOptions,
  ): Promise<TarFiles> {
    const compression = await compressionOf(archive);
    await using owned = new AsyncDisposableStack();
    const unpacked = join(scratch, "archive");
    let spool: Spool | undefined;
    if (compression !== "none") {
      owned.defer(async () => await rm(unpacked, { force: true }));
      spool = owned.use(await Spool.create(unpacked));
    }
    const files = new TarFiles(spool ? unpacked : archive, owned.move());
    try {
      let bytes = 0;
      let admitted = 0;
      const reader = new TarReader((entry) => files.#add(entry));
      for await (const piece of decompress(archive, compression, signal)) {
        bytes += piece.length;
        if (bytes > maxBytes)
          throw new WrennError("image_too_large", { limit: maxBytes, what: "bytes in its archive" });
        reader.write(piece);
        if (spool && bytes > admitted) {
          await admit?.();
          admitted = bytes + ADMITTED_BYTES;
        }
        await spool?.append(piece);
      }
      reader.end();
      await spool?.finish();
      return files;
    } catch (error) {
      await files[Symbol.asyncDispose]();
      throw error;
    }
  }

  async locate(name: string): Promise<FileRegion | undefined> {
    await Promise.resolve();
    let at = clean(name);
    for (let links = 0; at !== undefined && links <= MAX_LINKS; links += 1) {
      const region = this.#regions.get(at);
      if (region !== undefined) return region;
      at = this.#links.get(at);
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  #add({ type, name, target, content }: TarEntry): void {
    const path = clean(name);
    if (path === undefined) throw new TarError("a name leaves the archive", name);
    if (this.#regions.size + this.#links.size >= MAX_MEMBERS)
      throw new TarError(`it has more than ${MAX_MEMBERS} files`);
    this.#regions.delete(path);
    this.#links.delete(path);
    if (content.pieces !== undefined) throw new TarError("a file of it is sparse", name);
    if (type === "file")
      this.#regions.set(path, { path: this.#path, offset: content.offset, size: content.size });
    // docker save writes a layer that two images share once, and a link to it.
    const linked = type === "hard-link" ? target : type === "symlink" ? `${path}/../${target}` : undefined;
    const to = linked === undefined ? undefined : clean(linked);
    if (to !== undefined) this.#links.set(path, to);
  }
}

/** A name without `.` and `..`; undefined where it leaves the archive. */
function clean(name: string): string | undefined {
  try {
    return componentsOf(name).join("/");
  } catch (error) {
    if (error instanceof TreeError) return undefined;
    throw error;
  }
}
