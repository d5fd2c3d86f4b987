import { posix } from "node:path";
import { isWrennError } from "@wrenn/sdk";
import type { Capsule, FileEntry } from "@wrenn/sdk";
import type { CopyEntry, CopyFailure, CopySource, EntryKind, OpenFile } from "./copy-entry.ts";
import { failureOf, missing } from "./copy-errors.ts";
import { GuestCommands } from "./guest-commands.ts";

/** Levels of one list of the server. */
const DEPTH = 100;
/** Entries of one request for a list. */
const PAGE = 5000;

export interface CapsuleSide {
  readonly capsule: Capsule;
  /** As the user wrote it. */
  readonly label: string;
  readonly path: string;
  /** Whose rights and home apply. Default: root. */
  readonly user: string | undefined;
  readonly signal: AbortSignal;
}

export interface CapsuleSourceOptions {
  /** Links count as what they point to. */
  readonly isFollowed: boolean;
  /** Hashes are compared. */
  readonly isVerified: boolean;
}

/** A link that is followed. */
interface Link {
  /** Where it is in the capsule. */
  readonly real: string;
  /** Below the root of the copy. */
  readonly path: string;
}

/** A file or directory of a capsule that is copied. */
export class CapsuleSource implements CopySource {
  readonly label: string;
  readonly name: string;
  readonly digests?: (entries: readonly CopyEntry[]) => Promise<ReadonlyMap<string, string>>;
  readonly #side: CapsuleSide;
  readonly #isFollowed: boolean;
  readonly #commands: GuestCommands;
  /** Absolute, once it is known. */
  #path: string;

  constructor(side: CapsuleSide, { isFollowed, isVerified }: CapsuleSourceOptions) {
    this.#side = side;
    this.label = side.label;
    this.#path = side.path;
    this.name = /(?:^|\/)\.\.?\/*$/.test(side.path) ? "" : posix.basename(side.path);
    this.#isFollowed = isFollowed;
    this.#commands = new GuestCommands(side.capsule, side.user, side.signal);
    if (isVerified) this.digests = (entries) => this.#digests(entries);
  }

  async root(): Promise<CopyEntry> {
    const { path, user, signal } = this.#side;
    try {
      let entry = await this.#side.capsule.files.stat(path, { user, signal });
      // A slash at the end follows a link.
      if (entry.kind === "symlink" && (this.#isFollowed || path.endsWith("/"))) {
        const [target] = await this.#commands.targets([entry.path]);
        if (!target) throw missing(this.label, undefined);
        entry = await this.#side.capsule.files.stat(target.path, { user, signal });
      }
      this.#path = entry.path;
      return copyEntry("", entry);
    } catch (error) {
      throw isWrennError(error, "path_not_found") ? missing(this.label, error) : error;
    }
  }

  async below(report: (failure: CopyFailure) => void): Promise<readonly CopyEntry[]> {
    const found: CopyEntry[] = [];
    await this.#list(this.#path, "", [], found, report);
    return found;
  }

  async open({ path }: CopyEntry, offset: number): Promise<OpenFile> {
    const { user, signal, capsule } = this.#side;
    const stream = await capsule.files.download(this.#absolute(path), { from: offset, user, signal });
    return { size: stream.size, chunks: stream };
  }

  /**
   * @param real - the listed directory, without links in its path.
   * @param above - the directories that led here through links, so that links in a circle end.
   */
  async #list(
    real: string,
    prefix: string,
    above: readonly string[],
    found: CopyEntry[],
    report: (failure: CopyFailure) => void,
  ): Promise<void> {
    const { user, signal, capsule } = this.#side;
    const entries: FileEntry[] = [];
    try {
      for await (const entry of capsule.files.entries(real, { depth: DEPTH, pageSize: PAGE, user, signal }))
        entries.push(entry);
    } catch (error) {
      report(failureOf(prefix, error));
      return;
    }
    const base = real === "/" ? "/" : `${real}/`;
    const filled = new Set(entries.map(({ path }) => posix.dirname(path)));
    const links: Link[] = [];
    for (const entry of entries) {
      signal.throwIfAborted();
      if (!entry.path.startsWith(base)) continue;
      const path = prefix + (prefix === "" ? "" : "/") + entry.path.slice(base.length);
      if (entry.kind === "symlink" && this.#isFollowed) {
        links.push({ real: entry.path, path });
        continue;
      }
      found.push(copyEntry(path, entry));
      // The list stops at its depth, and has nothing of what may not be read.
      const isUnread = entry.kind === "directory" && !filled.has(entry.path);
      const isDeep = entry.path.slice(base.length).split("/").length >= DEPTH;
      if (isUnread && (isDeep || (user !== undefined && user !== "root")))
        await this.#list(entry.path, path, above, found, report);
    }
    await this.#follow(links, above, found, report);
  }

  /** All links of a list at once. */
  async #follow(
    links: readonly Link[],
    above: readonly string[],
    found: CopyEntry[],
    report: (failure: CopyFailure) => void,
  ): Promise<void> {
    const targets = await this.#commands.targets(links.map(({ real }) => real));
    for (const [at, { real, path }] of links.entries()) {
      const target = targets[at];
      const places = [...above, posix.dirname(real)];
      if (!target)
        report({ path, code: "path_not_found", message: "what the link points to does not exist" });
      else if (target.kind === "directory" && places.some((place) => isWithin(place, target.path)))
        report({ path, code: "path_invalid", message: "it is a link to a directory above it" });
      else {
        const { kind, size, mode } = target;
        found.push({ path, kind, size, mode });
        if (kind === "directory") await this.#list(target.path, path, places, found, report);
      }
    }
  }

  async #digests(entries: readonly CopyEntry[]): Promise<ReadonlyMap<string, string>> {
    const found = await this.#commands.digests(entries.map(({ path }) => this.#absolute(path)));
    return new Map(
      entries.flatMap(({ path }) => {
        const digest = found.get(this.#absolute(path));
        return digest === undefined ? [] : [[path, digest] as const];
      }),
    );
  }

  #absolute(path: string): string {
    return path === "" ? this.#path : posix.join(this.#path, path);
  }
}

/** Whether a place is a directory or below it. */
function isWithin(place: string, directory: string): boolean {
  return directory === "/" || `${place}/`.startsWith(`${directory}/`);
}

const KINDS: Readonly<Record<FileEntry["kind"], EntryKind>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  "character-device": "special",
  "block-device": "special",
  fifo: "special",
  socket: "special",
};

function copyEntry(path: string, { kind, size, mode, symlinkTarget: target }: FileEntry): CopyEntry {
  const entry = { path, kind: KINDS[kind], size, mode: mode & 0o777 };
  return target === undefined ? entry : { ...entry, target };
}
