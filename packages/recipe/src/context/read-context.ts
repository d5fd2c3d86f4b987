import type { BigIntStats } from "node:fs";
import { IgnoreRules } from "../ignore/ignore-rules.ts";
import { BuildContext } from "./build-context.ts";
import type { ContextEntry, ContextProblem } from "./build-context.ts";
import { codeOf, ContextError } from "./context-error.ts";
import { findLinkProblems } from "./link-problems.ts";
import { OpenDirectory } from "./open-directory.ts";

/** More names are a mistake, such as a home directory. */
const MAX_ENTRIES = 1_000_000;
/** Each level is a directory that is held open. */
const MAX_DEPTH = 256;

export interface ReadContextOptions {
  /** Default: nothing is ignored. */
  readonly ignore?: IgnoreRules;
  readonly signal?: AbortSignal;
}

/**
 * Looks at all files of a context, without their contents. Links are not followed, and nothing outside of the directory is opened. What
 * cannot be read is in `problems`.
 *
 * @throws ContextError naming a path that was replaced meanwhile; the signal's reason.
 */
export async function readContext(root: string, options: ReadContextOptions = {}): Promise<BuildContext> {
  const walk = new ContextWalk(options);
  let directory: OpenDirectory;
  try {
    directory = await OpenDirectory.open(root);
  } catch (error) {
    throw new ContextError(".", `${root} cannot be read (${codeOf(error) ?? "error"})`, "Name a directory.", {
      cause: error,
    });
  }
  try {
    await walk.enter(directory, "");
  } finally {
    await directory[Symbol.asyncDispose]();
  }
  return new BuildContext(root, walk.entries, [...walk.problems, ...findLinkProblems(walk.entries)]);
}

class ContextWalk {
  readonly entries: ContextEntry[] = [];
  readonly problems: ContextProblem[] = [];
  readonly #ignore: IgnoreRules;
  readonly #signal: AbortSignal | undefined;

  constructor({ ignore = IgnoreRules.none, signal }: ReadContextOptions) {
    this.#ignore = ignore;
    this.#signal = signal;
  }

  async enter(directory: OpenDirectory, path: string): Promise<void> {
    for (const bytes of await directory.list()) {
      this.#signal?.throwIfAborted();
      const name = decode(bytes);
      if (name === undefined) {
        this.#report(pathOf(path, bytes.toString("utf8")), "name-not-utf8", "has a name that is not UTF-8");
        continue;
      }
      await this.#look(directory, name, pathOf(path, name));
    }
  }

  async #look(directory: OpenDirectory, name: string, path: string): Promise<void> {
    const isIgnored = this.#ignore.ignores(path);
    let stat: BigIntStats;
    try {
      stat = await directory.stat(name);
    } catch (error) {
      // It was removed since the directory was listed.
      const code = codeOf(error);
      if (code === "ENOENT") return;
      if (code !== "EACCES" && code !== "EPERM") throw replaced(path, error);
      if (!isIgnored) this.#report(path, "unreadable", "cannot be read by this user");
      return;
    }
    if (stat.isDirectory()) return await this.#directory(directory, { name, path, stat, isIgnored });
    if (isIgnored) return;
    if (stat.isSymbolicLink()) await this.#link(directory, name, path, stat);
    else if (!stat.isFile()) this.#report(path, "special-file", "is a socket, device or pipe");
    else if (await directory.canRead(name)) this.#add(path, "file", stat);
    else this.#report(path, "unreadable", "cannot be read by this user");
  }

  async #directory(
    parent: OpenDirectory,
    { name, path, stat, isIgnored }: { name: string; path: string; stat: BigIntStats; isIgnored: boolean },
  ): Promise<void> {
    if (isIgnored && !this.#ignore.mayExceptBelow(path)) return;
    if (path.split("/").length > MAX_DEPTH)
      throw new ContextError(
        path,
        `is deeper than ${MAX_DEPTH} directories`,
        "Name what is to be left out in .dockerignore.",
      );
    let directory: OpenDirectory;
    try {
      directory = await parent.openDirectory(name);
    } catch (error) {
      const code = codeOf(error);
      if (code === "EACCES" || code === "EPERM") {
        if (!isIgnored) this.#report(path, "unreadable", "cannot be read by this user");
        return;
      }
      if (code === "ENOENT") return;
      throw replaced(path, error);
    }
    try {
      const place = this.entries.length;
      await this.enter(directory, path);
      // An ignored directory is there for what is excepted in it.
      if (!isIgnored || this.entries.length > place) this.#add(path, "directory", stat, { place });
    } catch (error) {
      throw codeOf(error) === "ELOOP" ? replaced(path, error) : error;
    } finally {
      await directory[Symbol.asyncDispose]();
    }
  }

  async #link(directory: OpenDirectory, name: string, path: string, stat: BigIntStats): Promise<void> {
    let bytes: Buffer;
    try {
      bytes = await directory.readLink(name);
    } catch (error) {
      throw replaced(path, error);
    }
    const target = decode(bytes);
    if (target === undefined) this.#report(path, "name-not-utf8", "links to a name that is not UTF-8");
    else this.#add(path, "link", stat, { target });
  }

  /** @param place - where among the entries; default: behind all. */
  #add(
    path: string,
    type: ContextEntry["type"],
    stat: BigIntStats,
    { target, place = this.entries.length }: { readonly target?: string; readonly place?: number } = {},
  ): void {
    if (this.entries.length >= MAX_ENTRIES)
      throw new ContextError(
        path,
        `the context has more than ${MAX_ENTRIES} files`,
        "Build with a smaller directory, or name what is to be left out in .dockerignore.",
      );
    const { dev, ino, size, mtimeNs, mode, nlink } = stat;
    const isExecutable = type === "directory" || (mode & 0o100n) !== 0n;
    this.entries.splice(place, 0, {
      path,
      type,
      mode: type === "link" ? 0o777 : isExecutable ? 0o755 : 0o644,
      size: type === "file" ? Number(size) : 0,
      mtimeSec: Number(mtimeNs / 1_000_000_000n),
      target,
      inode: type === "file" && nlink > 1n ? `${dev}:${ino}` : undefined,
      identity: { dev, ino, size, mtimeNs },
    });
  }

  #report(path: string, kind: ContextProblem["kind"], message: string): void {
    this.problems.push({ path, kind, message });
  }
}

function replaced(path: string, cause: unknown): ContextError {
  return new ContextError(
    path,
    "was replaced while the context was read",
    "Build again when no other program changes the directory.",
    { cause },
  );
}

function pathOf(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
