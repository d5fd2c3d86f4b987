import { posix } from "node:path";
import { gzipSync } from "node:zlib";
import { defined, WrennError } from "@wrenn/core";
import type {
  ByteRange,
  CapsuleFiles,
  FileAttributes,
  FileChange,
  FileChangeType,
  FileContent,
  FileEntry,
  FileOptions,
  FilePage,
  FilePageRequest,
  FileVersion,
  WriteCondition,
  WriteOptions,
} from "@wrenn/protocol";
import { FakeUploads } from "./fake-uploads.ts";
import { Watchers } from "./fake-watchers.ts";

const USERS = new Set(["root", "user"]);
const BLOCK = 512;

/** `content` is absent for directories. */
interface Node {
  readonly content?: Uint8Array;
  readonly mode: number;
  readonly inode: bigint;
  readonly modifiedNs: bigint;
}

/** Files of a fake capsule: a tree in memory without links and permissions. */
export class FakeFiles implements CapsuleFiles {
  readonly #nodes = new Map<string, Node>();
  readonly #attributes = new Map<string, FileAttributes>();
  readonly #watchers = new Watchers();
  readonly uploads: FakeUploads = new FakeUploads({
    judge: (path, options) => this.#judge(path, options),
    write: async (path, content, options) => await this.write(path, once(content), options),
  });
  #inodes = 0n;

  constructor() {
    for (const path of ["/", "/root", "/tmp", "/home"]) this.#put(path, { mode: 0o755 });
  }

  /** The same files for another capsule. */
  copyAll(): FakeFiles {
    const copy = new FakeFiles();
    for (const [path, node] of this.#nodes) copy.#nodes.set(path, node);
    return copy;
  }

  requireUser(user: string | undefined): void {
    if (user !== undefined && !USERS.has(user)) throw new WrennError("user_not_found", { user });
  }

  isDirectory(path: string): boolean {
    const node = this.#nodes.get(resolve(path));
    return node !== undefined && node.content === undefined;
  }

  async stat(path: string, options: FileOptions): Promise<FileEntry> {
    return this.#entry(this.#find(path, options));
  }

  async list(path: string, depth: number, options: FileOptions): Promise<readonly FileEntry[]> {
    const directory = this.#find(path, options);
    if (!this.isDirectory(directory)) throw new WrennError("not_a_directory", { path });
    return this.#below(directory)
      .filter((one) => posix.relative(directory, one).split("/").length <= depth)
      .map((one) => this.#entry(one));
  }

  async listPage(
    path: string,
    { depth, limit, after }: FilePageRequest,
    options: FileOptions,
  ): Promise<FilePage> {
    const directory = this.#find(path, options);
    const relative = (entry: FileEntry): string => posix.relative(directory, entry.path);
    const all = await this.list(path, depth, options);
    const rest = all.filter((entry) => after === undefined || inListOrder(relative(entry), after) > 0);
    const entries = rest.slice(0, limit);
    const last = entries.at(-1);
    return { entries, ...(last && rest.length > limit ? { next: relative(last) } : {}) };
  }

  async makeDirectory(path: string, options: FileOptions): Promise<FileEntry> {
    const target = this.#new(path, false, options);
    this.#put(target, { mode: 0o755 });
    return this.#entry(target);
  }

  async remove(path: string, options: FileOptions & { readonly recursive: boolean }): Promise<void> {
    const target = this.#find(path, options);
    const below = this.#below(target);
    if (below.length > 0 && !options.recursive) throw new WrennError("directory_not_empty", { path });
    for (const one of [...below.toReversed(), target]) this.#delete(one);
  }

  async move(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean },
  ): Promise<FileEntry> {
    const from = this.#find(source, options);
    this.#judgePair(from, resolve(destination), options.overwrite);
    if (options.overwrite && this.#below(resolve(destination)).length > 0)
      throw new WrennError("directory_not_empty", { path: destination });
    const to = this.#new(destination, options.overwrite, options);
    for (const one of [from, ...this.#below(from)]) {
      this.#nodes.set(to + one.slice(from.length), this.#node(one));
      this.#nodes.delete(one);
    }
    this.#changed("rename", to, from);
    return this.#entry(to);
  }

  async copy(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean; readonly recursive: boolean },
  ): Promise<FileEntry> {
    const from = this.#find(source, options);
    if (this.isDirectory(from) && !options.recursive)
      throw new WrennError("is_a_directory", { path: source });
    this.#judgePair(from, resolve(destination), options.overwrite);
    const to = this.#new(destination, options.overwrite, options);
    for (const one of [from, ...this.#below(from)]) this.#put(to + one.slice(from.length), this.#node(one));
    return this.#entry(to);
  }

  async changeMode(
    path: string,
    mode: number,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<FileEntry> {
    const target = this.#find(path, options);
    for (const one of options.recursive ? [target, ...this.#below(target)] : [target]) {
      this.#nodes.set(one, { ...this.#node(one), mode });
      this.#changed("chmod", one);
    }
    return this.#entry(target);
  }

  async attributes(paths: readonly string[], prefix: string): Promise<readonly FileAttributes[]> {
    return paths.map((path) => {
      const all = Object.entries(this.#attributes.get(resolve(path)) ?? {});
      return Object.fromEntries(all.filter(([name]) => name.startsWith(prefix)));
    });
  }

  async setAttributes(
    path: string,
    prefix: string,
    attributes: FileAttributes,
    options: FileOptions,
  ): Promise<void> {
    const file = this.#find(path, options);
    const others = Object.entries(this.#attributes.get(file) ?? {}).filter(
      ([name]) => !name.startsWith(prefix),
    );
    this.#attributes.set(file, { ...Object.fromEntries(others), ...attributes });
  }

  async read(path: string, options: FileOptions & { readonly range?: ByteRange }): Promise<FileContent> {
    const file = this.#find(path, options);
    const { content } = this.#node(file);
    if (!content) throw new WrennError("is_a_directory", { path });
    const { range = { start: 0 } } = options;
    const { length: size } = content;
    const { start, end = size } = "last" in range ? { start: Math.max(0, size - range.last) } : range;
    return { entry: this.#entry(file), size, bytes: once(content.subarray(start, end + 1)) };
  }

  async write(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: FileOptions & WriteOptions,
  ): Promise<FileEntry> {
    this.#judge(path, options);
    const parts: Uint8Array[] = [];
    for await (const part of content) {
      options.signal.throwIfAborted();
      parts.push(Uint8Array.from(part));
    }
    this.#judge(path, options);
    const target = this.#new(path, options.exclusive !== true, options);
    const mode = this.#nodes.get(target)?.mode ?? options.mode ?? 0o644;
    this.#put(target, { content: Buffer.concat(parts), mode });
    return this.#entry(target);
  }

  async archive(path: string, options: FileOptions): Promise<AsyncIterable<Uint8Array>> {
    const directory = this.#find(path, options);
    if (!this.isDirectory(directory)) throw new WrennError("not_a_directory", { path });
    const parts = this.#below(directory).map((one) =>
      tarEntry(posix.relative(directory, one), this.#node(one)),
    );
    return once(gzipSync(Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])));
  }

  async watch(
    path: string,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<AsyncIterable<FileChange>> {
    return this.#watchers.watch(this.#find(path, options), options);
  }

  /** The place of a file that may be written; nothing is made. */
  #judge(path: string, options: FileOptions & WriteOptions): string {
    const target = this.#free(path, options.exclusive !== true, options);
    if (
      options.condition &&
      !holds(options.condition, this.#nodes.has(target) ? this.#entry(target) : undefined)
    )
      throw new WrennError("precondition_failed", { path });
    if (this.isDirectory(target)) throw new WrennError("is_a_directory", { path });
    return target;
  }

  #find(path: string, { user, signal }: FileOptions): string {
    signal.throwIfAborted();
    this.requireUser(user);
    const resolved = resolve(path);
    if (!this.#nodes.has(resolved)) throw new WrennError("path_not_found", { path });
    return resolved;
  }

  /** Refuses, before anything changes, what no copy or move may do. */
  #judgePair(from: string, to: string, overwrite: boolean): void {
    const directory = this.isDirectory(from);
    if (to === from || to.startsWith(`${from}/`) || (directory && from.startsWith(`${to}/`)))
      throw new WrennError("path_invalid", { problem: `one is inside the other: ${from}, ${to}` });
    if (!overwrite || !this.#nodes.has(to) || directory === this.isDirectory(to)) return;
    throw new WrennError(directory ? "not_a_directory" : "is_a_directory", { path: to });
  }

  /** A place for something new, with the directories that lead there. */
  #new(path: string, replaces: boolean, options: FileOptions): string {
    const target = this.#free(path, replaces, options);
    for (const parent of parentsOf(target)) if (!this.#nodes.has(parent)) this.#put(parent, { mode: 0o755 });
    return target;
  }

  /** A place that something new may take. */
  #free(path: string, replaces: boolean, { user, signal }: FileOptions): string {
    signal.throwIfAborted();
    this.requireUser(user);
    const target = resolve(path);
    if (this.#nodes.has(target) && !replaces) throw new WrennError("path_exists", { path });
    for (const parent of parentsOf(target))
      if (this.#nodes.has(parent) && !this.isDirectory(parent))
        throw new WrennError("not_a_directory", { path });
    return target;
  }

  #node(path: string): Node {
    const node = this.#nodes.get(path);
    if (!node) throw new WrennError("path_not_found", { path });
    return node;
  }

  #put(path: string, node: Omit<Node, "inode" | "modifiedNs">): void {
    const known = this.#nodes.get(path);
    // A file that is written is another file under the same name.
    const inode = (node.content ? undefined : known?.inode) ?? ++this.#inodes;
    this.#nodes.set(path, { ...node, inode, modifiedNs: BigInt(Date.now()) * 1_000_000n });
    if (!known) this.#changed("create", path);
    if (node.content) this.#changed("write", path);
  }

  #delete(path: string): void {
    const directory = this.isDirectory(path);
    this.#nodes.delete(path);
    this.#watchers.tell({ type: "remove", path, directory });
  }

  #changed(type: FileChangeType, path: string, oldPath?: string): void {
    const directory = this.isDirectory(path);
    this.#watchers.tell({ type, path, directory, ...defined({ oldPath }) });
  }

  #below(path: string): readonly string[] {
    const prefix = path === "/" ? path : `${path}/`;
    return [...this.#nodes.keys()].filter((one) => one !== path && one.startsWith(prefix)).sort();
  }

  #entry(path: string): FileEntry {
    const { content, mode, inode, modifiedNs } = this.#node(path);
    return {
      name: posix.basename(path),
      path,
      type: content ? "file" : "directory",
      mode,
      owner: "root",
      group: "root",
      uid: 0,
      gid: 0,
      size: content?.length ?? 0,
      modifiedNs,
      inode,
    };
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}

function* parentsOf(path: string): Generator<string> {
  for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) yield path.slice(0, at);
}

function resolve(path: string): string {
  if (path === "" || path.includes("\0"))
    throw new WrennError("path_invalid", { problem: "it names nothing" });
  const absolute = posix.resolve("/root", path.replace(/^~(?=\/|$)/, "/root"));
  return absolute.length > 1 ? absolute.replace(/\/$/, "") : absolute;
}

function tarEntry(name: string, { content, mode }: Node): Buffer {
  const bytes = content ?? new Uint8Array();
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0);
  header.write(mode.toString(8).padStart(7, "0"), 100);
  header.write(bytes.length.toString(8).padStart(11, "0"), 124);
  header.write(content ? "0" : "5", 156);
  header.write("ustar\u000000", 257);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return Buffer.concat([header, bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

/** Compares paths as lists have them: by their components. */
function inListOrder(one: string, other: string): number {
  const [a, b] = [one.split("/").join("\0"), other.split("/").join("\0")];
  return a < b ? -1 : Number(a > b);
}

function holds({ exists, anyOf, noneOf = [], unmodifiedSince }: WriteCondition, entry?: FileEntry): boolean {
  if (!entry) return !exists;
  const isOne = (versions: readonly FileVersion[]): boolean =>
    versions.some(
      ({ inode, size, modifiedNs }) =>
        inode === entry.inode && size === entry.size && modifiedNs === entry.modifiedNs,
    );
  if ((anyOf && !isOne(anyOf)) || isOne(noneOf)) return false;
  return unmodifiedSince === undefined || entry.modifiedNs / 1_000_000_000n <= BigInt(unmodifiedSince);
}
