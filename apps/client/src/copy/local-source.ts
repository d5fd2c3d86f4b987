import { createReadStream } from "node:fs";
import { lstat, readdir, readlink, stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { BigIntStats, Stats } from "node:fs";
import type { CopyEntry, CopyFailure, CopySource, EntryKind, OpenFile } from "./copy-entry.ts";
import { explained, failureOf } from "./copy-errors.ts";
import { localPath, nameOf } from "./file-name-bytes.ts";
import type { LocalPath } from "./file-name-bytes.ts";

const CHUNK_BYTES = 1 << 20;

/** A file or directory of this machine that is copied. */
export class LocalSource implements CopySource {
  readonly label: string;
  readonly name: string;
  readonly #path: string;
  readonly #isFollowed: boolean;

  /** @param isFollowed - links count as what they point to. */
  constructor(path: string, isFollowed: boolean) {
    this.label = path;
    this.#path = path;
    this.name = /(?:^|[\\/])\.$/.test(path) ? "" : basename(resolve(path));
    this.#isFollowed = isFollowed;
  }

  async root(): Promise<CopyEntry> {
    try {
      // A slash at the end follows a link.
      const isFollowed = this.#isFollowed || /[\\/]$/.test(this.#path);
      return await this.#entry("", this.#path, isFollowed ? await stat(this.#path) : await lstat(this.#path));
    } catch (error) {
      throw explained(this.label, error);
    }
  }

  async below(report: (failure: CopyFailure) => void): Promise<readonly CopyEntry[]> {
    const found: CopyEntry[] = [];
    await this.#walk("", [], found, report);
    return found;
  }

  async open({ path, size }: CopyEntry, offset: number): Promise<OpenFile> {
    const stream = createReadStream(localPath(this.#path, path), {
      start: offset,
      highWaterMark: CHUNK_BYTES,
    });
    return await Promise.resolve({ size, chunks: stream as AsyncIterable<Uint8Array> });
  }

  /** @param above - directories that this one is in, so that followed links in a circle end. */
  async #walk(
    directory: string,
    above: readonly string[],
    found: CopyEntry[],
    report: (failure: CopyFailure) => void,
  ): Promise<void> {
    const here = localPath(this.#path, directory);
    let names: readonly Buffer[];
    let identity: string;
    try {
      identity = identityOf(await stat(here, { bigint: true }));
      if (above.includes(identity)) {
        report({ path: directory, code: "ELOOP", message: `${directory} is a link to a directory above it` });
        return;
      }
      names = await readdir(here, { encoding: "buffer" });
    } catch (error) {
      report(failureOf(directory, error));
      return;
    }
    for (const name of names.toSorted((one, other) => one.compare(other))) {
      const path = directory === "" ? nameOf(name) : `${directory}/${nameOf(name)}`;
      try {
        const full = localPath(this.#path, path);
        const entry = await this.#entry(path, full, this.#isFollowed ? await stat(full) : await lstat(full));
        found.push(entry);
        if (entry.kind === "directory") await this.#walk(path, [...above, identity], found, report);
      } catch (error) {
        report(failureOf(path, error));
      }
    }
  }

  async #entry(path: string, full: LocalPath, stats: Stats): Promise<CopyEntry> {
    const kind = kindOf(stats);
    const mode = process.platform === "win32" ? undefined : stats.mode & 0o777;
    const entry = { path, kind, size: stats.size, mode };
    if (kind !== "symlink") return entry;
    return { ...entry, target: nameOf(await readlink(full, { encoding: "buffer" })) };
  }
}

/** @returns `special` for what has no content. */
export function kindOf(stats: Stats): EntryKind {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "symlink" : "special";
}

function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
