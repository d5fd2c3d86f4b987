import { createHash } from "node:crypto";
import { posix } from "node:path";
import { isWrennError } from "@wrenn/sdk";
import type { FileEntry } from "@wrenn/sdk";
import type { CapsuleSide } from "./capsule-source.ts";
import type { CopyEntry, CopyFailure, CopyTarget, EntryKind, FileToWrite, OpenFile } from "./copy-entry.ts";
import { differs, failureOf } from "./copy-errors.ts";
import { GuestCommands } from "./guest-commands.ts";
import { inParallel } from "./in-parallel.ts";

/** Smaller files are sent in one request, with their digest. */
const AT_ONCE_BYTES = 1 << 20;
/** Larger ones in pieces of this size: with 4 MiB a copy had three quarters of the speed of one request, with 16 MiB nearly all. */
const PIECE_BYTES = 16 << 20;
/** Mode of directories that the server makes. */
const DIRECTORY_MODE = 0o755;
/** What a directory needs to be filled. */
const OWNER_WRITES = 0o300;
const DEPTH = 100;
/** Entries of one request for a list. */
const PAGE = 5000;
export const REQUESTS = 16;

/** A path of a capsule that is copied to. The server makes each file appear whole, whatever becomes of this process. */
export class CapsuleTarget implements CopyTarget {
  readonly label: string;
  readonly #side: CapsuleSide;
  readonly #commands: GuestCommands;
  /** Links that are where the tree is written, by path below the root. */
  #links: ReadonlySet<string> = new Set();
  /** New directories that their owner may not write to once they are filled. */
  readonly #closed: CopyEntry[] = [];
  /** Absolute where something exists. */
  #path: string;

  constructor(side: CapsuleSide) {
    this.#side = side;
    this.label = side.label;
    this.#path = side.path;
    this.#commands = new GuestCommands(side.capsule, side.user, side.signal);
  }

  async rootKind(): Promise<EntryKind | undefined> {
    const { capsule, user, signal } = this.#side;
    try {
      const { type, kind, path } = await capsule.files.stat(this.#path, { user, signal });
      this.#path = path;
      // The server would write what a link without a target points to; a name inside a directory is replaced.
      if (type === "symlink") this.#links = new Set([""]);
      if (type !== "file") return type;
      return kind === "file" || kind === "symlink" ? "file" : "special";
    } catch (error) {
      if (isWrennError(error, "path_not_found")) return undefined;
      throw error;
    }
  }

  child(name: string): CopyTarget {
    const path = posix.join(this.#path, name);
    return new CapsuleTarget({ ...this.#side, path, label: posix.join(this.label, name) });
  }

  async makeDirectories(directories: readonly CopyEntry[]): Promise<readonly CopyFailure[]> {
    const failures: CopyFailure[] = [];
    if ((await this.rootKind()) === "directory") await this.#findLinks();
    const make = async (entry: CopyEntry): Promise<void> => {
      const { path } = entry;
      if (failures.some((failure) => path.startsWith(`${failure.path}/`))) return;
      try {
        if (this.#links.has(path))
          failures.push({ path, code: "not_a_directory", message: "a link is in its place" });
        else await this.#makeDirectory(entry);
      } catch (error) {
        if (path === "") throw error;
        failures.push(failureOf(path, error));
      }
    };
    // Level by level, so that none is made as the parent of another, without its mode.
    const levels: CopyEntry[][] = [];
    for (const entry of directories) {
      const depth = entry.path === "" ? 0 : entry.path.split("/").length;
      (levels[depth] ??= []).push(entry);
    }
    for (const level of levels) await inParallel(REQUESTS, level ?? [], make);
    return failures;
  }

  async writeFile(file: FileToWrite): Promise<number> {
    const { capsule, user, signal } = this.#side;
    const { entry, expected } = file;
    const path = this.#absolute(entry.path);
    if (this.#links.has(entry.path)) await capsule.files.remove(path, { user, signal, force: true });
    const mode = entry.mode;
    const first = await file.open(0);
    const hash = createHash("sha256");
    const options = { user, signal, ...(mode === undefined ? {} : { mode }) };
    let written: FileEntry;
    let size: number;
    let isWholeHash = true;
    if (first.size === undefined || first.size <= AT_ONCE_BYTES) {
      const bytes = await collect(first);
      size = first.size ?? bytes.length;
      if (bytes.length !== size) throw differs(this.label, `${bytes.length} of ${size} bytes were read`);
      hash.update(bytes);
      written = await capsule.files.write(path, bytes, options);
      file.onProgress(size);
    } else {
      size = first.size;
      let isFirst = true;
      const source = async (offset: number): Promise<AsyncIterable<Uint8Array>> => {
        if (!isFirst || offset > 0) isWholeHash = false;
        const { chunks } = isFirst && offset === 0 ? first : await file.open(offset);
        isFirst = false;
        return expected ? hashing(chunks, hash) : chunks;
      };
      written = await capsule.files.upload(path, source, {
        ...options,
        size,
        chunkBytes: PIECE_BYTES,
        onProgress: ({ transferredBytes }) => file.onProgress(transferredBytes),
      });
    }
    if (written.kind !== "symlink" && written.size !== size)
      throw differs(this.label, `the file in the capsule has ${written.size} bytes, and ${size} were sent`);
    const digest = first.size === undefined ? undefined : await expected?.();
    if (digest !== undefined) {
      const own = isWholeHash
        ? hash.digest("hex")
        : (await this.#commands.digests([written.path])).get(written.path);
      if (own !== digest) throw differs(this.label, "the SHA-256 in the two capsules differ");
    }
    // A file that was replaced has kept its mode.
    if (mode !== undefined && (written.mode & 0o777) !== mode)
      await capsule.files.chmod(path, mode, { user, signal });
    return size;
  }

  async makeLinks(links: readonly CopyEntry[]): Promise<readonly CopyFailure[]> {
    const { capsule, user, signal } = this.#side;
    if (links.length === 0) return [];
    // Files get their parents from the server, and links below the root have theirs.
    if (links[0]?.path === "") await capsule.files.mkdir(posix.dirname(this.#path), { user, signal });
    const isMade = await this.#commands.makeLinks(
      links.map(({ path, target = "" }) => ({ path: this.#absolute(path), target })),
    );
    return links
      .filter((_, at) => isMade[at] !== true)
      .map(({ path }) => ({ path, code: "link_failed", message: "the link could not be made" }));
  }

  async finish(): Promise<readonly CopyFailure[]> {
    const failures: CopyFailure[] = [];
    const { capsule, user, signal } = this.#side;
    for (const { path, mode } of this.#closed.toReversed()) {
      try {
        await capsule.files.chmod(this.#absolute(path), mode ?? DIRECTORY_MODE, { user, signal });
      } catch (error) {
        failures.push(failureOf(path, error));
      }
    }
    return failures;
  }

  async close(): Promise<void> {
    await Promise.resolve();
  }

  /** One that exists keeps its mode. */
  async #makeDirectory(entry: CopyEntry): Promise<void> {
    const { capsule, user, signal } = this.#side;
    const path = this.#absolute(entry.path);
    try {
      await capsule.files.mkdir(path, { exclusive: true, user, signal });
    } catch (error) {
      if (isWrennError(error, "path_exists")) return;
      throw error;
    }
    if (entry.mode === undefined) return;
    const open = entry.mode | OWNER_WRITES;
    if (open !== DIRECTORY_MODE) await capsule.files.chmod(path, open, { user, signal });
    if (open !== entry.mode) this.#closed.push(entry);
  }

  /** Links in an existing tree are never written through. */
  async #findLinks(): Promise<void> {
    const { capsule, user, signal } = this.#side;
    const [found] = await this.#commands.targets([this.#path]);
    const root = found?.path ?? this.#path;
    const length = root === "/" ? 1 : root.length + 1;
    const links = new Set<string>();
    const entries = capsule.files.entries(root, { depth: DEPTH, pageSize: PAGE, user, signal });
    for await (const { kind, path } of entries) if (kind === "symlink") links.add(path.slice(length));
    this.#links = links;
  }

  #absolute(path: string): string {
    return path === "" ? this.#path : posix.join(this.#path, path);
  }
}

async function collect({ chunks }: OpenFile): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

async function* hashing(
  chunks: AsyncIterable<Uint8Array>,
  hash: { update(chunk: Uint8Array): unknown },
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}
