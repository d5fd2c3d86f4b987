import { createHash } from "node:crypto";
import { chmod, lstat, mkdir, open, realpath, rename, stat, symlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { CopyEntry, CopyFailure, CopyTarget, EntryKind, FileToWrite } from "./copy-entry.ts";
import { differs, explained, failureOf, hasLocalCode } from "./copy-errors.ts";
import { bytesOf, localPath } from "./file-name-bytes.ts";
import { kindOf } from "./local-source.ts";
import { Staging } from "./staging.ts";

const isWindows = process.platform === "win32";
const PIECE_BYTES = 1 << 20;
/** What a directory needs to be filled. */
const OWNER_WRITES = 0o300;

/**
 * A path of this machine that is copied to. A capsule chooses the names below it: links in the place of its directories are never
 * followed, and links are made last, so that nothing is written outside.
 */
export class LocalTarget implements CopyTarget {
  readonly label: string;
  readonly #path: string;
  readonly #signal: AbortSignal;
  /** New directories that their owner may not write to once they are filled. */
  readonly #closed: CopyEntry[] = [];
  #staging: Promise<Staging> | undefined;

  constructor(path: string, signal: AbortSignal) {
    this.label = path;
    this.#path = path;
    this.#signal = signal;
  }

  async rootKind(): Promise<EntryKind | undefined> {
    try {
      return kindOf(await stat(this.#path));
    } catch (error) {
      if (!hasLocalCode(error, "ENOENT")) throw explained(this.label, error);
      const link = await lstat(this.#path).catch(() => undefined);
      return link && kindOf(link);
    }
  }

  child(name: string): CopyTarget {
    // It is checked like every other name, and may be none of text.
    const path = localPath(this.#path, name);
    if (typeof path !== "string")
      throw explained(
        name,
        Object.assign(new Error("its name is not UTF-8; copy the directory that it is in"), {
          code: "EILSEQ",
        }),
      );
    return new LocalTarget(path, this.#signal);
  }

  async makeDirectories(directories: readonly CopyEntry[]): Promise<readonly CopyFailure[]> {
    const failures: CopyFailure[] = [];
    for (const entry of directories) {
      const { path } = entry;
      this.#signal.throwIfAborted();
      if (failures.some((failure) => path.startsWith(`${failure.path}/`))) continue;
      try {
        if (path === "") await mkdir(dirname(resolve(this.#path)), { recursive: true });
        await this.#makeDirectory(entry);
      } catch (error) {
        if (path === "") throw explained(this.label, error);
        failures.push(failureOf(path, error));
      }
    }
    return failures;
  }

  async writeFile({ entry, open: openSource, expected, onProgress }: FileToWrite): Promise<number> {
    const isRoot = entry.path === "";
    if (isRoot) await mkdir(dirname(resolve(this.#path)), { recursive: true });
    // A link at the destination itself is followed; below it, links are replaced.
    const path = isRoot ? await this.#realPath() : localPath(this.#path, entry.path);
    this.#staging ??= Staging.make(isRoot ? dirname(path.toString()) : this.#path);
    const temporary = (await this.#staging).next();
    const hash = createHash("sha256");
    const { size, chunks } = await openSource(0);
    let bytes = 0;
    const file = await open(temporary, "wx", 0o600);
    try {
      const pieces = inPieces(chunks, (chunk) => {
        hash.update(chunk);
        bytes += chunk.length;
        onProgress(bytes);
      });
      await file.writeFile(pieces, { signal: this.#signal });
      if (size !== undefined && size !== bytes)
        throw differs(this.label, `${bytes} of ${size} bytes arrived`);
      const digest = size === undefined ? undefined : await expected?.();
      if (digest !== undefined && digest !== hash.digest("hex"))
        throw differs(
          this.label,
          `the SHA-256 of ${entry.path || "the file"} here and in the capsule differ`,
        );
      if (entry.mode !== undefined && !isWindows) await file.chmod(entry.mode);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return bytes;
  }

  async makeLinks(links: readonly CopyEntry[]): Promise<readonly CopyFailure[]> {
    const failures: CopyFailure[] = [];
    for (const { path, target = "" } of links) {
      this.#signal.throwIfAborted();
      try {
        const isRoot = path === "";
        if (isRoot) await mkdir(dirname(resolve(this.#path)), { recursive: true });
        this.#staging ??= Staging.make(isRoot ? dirname(resolve(this.#path)) : this.#path);
        const temporary = (await this.#staging).next();
        await symlink(isWindows ? target : bytesOf(target), temporary);
        await rename(temporary, localPath(this.#path, path));
      } catch (error) {
        failures.push(failureOf(path, error));
      }
    }
    return failures;
  }

  async finish(): Promise<readonly CopyFailure[]> {
    const failures: CopyFailure[] = [];
    await this.close();
    for (const { path, mode } of this.#closed.toReversed()) {
      try {
        await chmod(localPath(this.#path, path), mode ?? 0);
      } catch (error) {
        failures.push(failureOf(path, error));
      }
    }
    return failures;
  }

  async close(): Promise<void> {
    const staging = await this.#staging?.catch(() => undefined);
    this.#staging = undefined;
    await staging?.close();
  }

  /** One that exists keeps its mode. */
  async #makeDirectory(entry: CopyEntry): Promise<void> {
    const path = localPath(this.#path, entry.path);
    try {
      await mkdir(path);
    } catch (error) {
      if (!hasLocalCode(error, "EEXIST")) throw error;
      const there = await (entry.path === "" ? stat(path) : lstat(path));
      if (there.isDirectory()) return;
      const message = "something that is not a directory, or a link, is in its place";
      throw Object.assign(new Error(message, { cause: error }), { code: "ENOTDIR" });
    }
    if (entry.mode === undefined || isWindows) return;
    const writable = entry.mode | OWNER_WRITES;
    await chmod(path, writable);
    if (writable !== entry.mode) this.#closed.push(entry);
  }

  async #realPath(): Promise<string> {
    try {
      return await realpath(this.#path);
    } catch (error) {
      if (!hasLocalCode(error, "ENOENT")) throw error;
      return resolve(this.#path);
    }
  }
}

/** Larger pieces of a stream, because each is written by a call of the system. */
async function* inPieces(
  chunks: AsyncIterable<Uint8Array>,
  onChunk: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  let piece: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    onChunk(chunk);
    piece.push(chunk);
    bytes += chunk.length;
    if (bytes < PIECE_BYTES) continue;
    yield Buffer.concat(piece, bytes);
    [piece, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(piece, bytes);
}
