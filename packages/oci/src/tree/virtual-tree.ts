import type { Timestamp } from "../tar/tar-entry.ts";
import type { Attributes, DirectoryEntry, DirectoryInode, Inode } from "./inode.ts";
import { TreeError, TreeLimitError } from "./tree-error.ts";
import { MAX_PATH, splitPath } from "./tree-path.ts";

/** Links on one way; containerd and umoci have the same number. */
const MAX_LINKS = 255;
/** Components on one way, with those of links; a way without links has at most half as many. */
const MAX_STEPS = 8192;
/** Names that are looked at for all entries together, so that those that each take long do not add up to hours. */
const MAX_ALL_STEPS = 20_000_000;
/** Bytes of paths, targets and attributes, which are held in memory. */
const MAX_TEXT_BYTES = 128 * 2 ** 20;

/** A directory of the tree and the way to it. */
export interface TreeDirectory {
  readonly inode: DirectoryInode;
  readonly path: readonly string[];
  /** The entries on the way, which has no links. */
  readonly way: readonly DirectoryEntry[];
}

/**
 * The files of an image in memory, without their contents. Links are followed in it, never on a real disk, so that no layer reaches
 * anything but the tree. It is bounded by the number of its entries, among them directories that no layer names.
 */
export class VirtualTree {
  readonly root: DirectoryInode;
  readonly #maxEntries: number;
  #entries = 0;
  #textBytes = 0;
  #steps = 0;

  /** @param maxEntries - of all layers together, also those that later layers remove. */
  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
    this.root = newDirectory({ seconds: 0, nanoseconds: 0 });
  }

  /** Counts what a layer brings. @throws TreeLimitError */
  count(entries: number, textBytes: number): void {
    this.#entries += entries;
    this.#textBytes += textBytes;
    if (this.#entries > this.#maxEntries) throw new TreeLimitError(this.#maxEntries, "files");
    if (this.#textBytes > MAX_TEXT_BYTES)
      throw new TreeLimitError(MAX_TEXT_BYTES, "bytes of names and attributes");
  }

  /** Counts a name that is looked at on a path, or for a whiteout. @throws TreeLimitError */
  countStep(): void {
    this.#steps += 1;
    if (this.#steps > MAX_ALL_STEPS)
      throw new TreeLimitError(MAX_ALL_STEPS, "steps on the paths of its files");
  }

  /**
   * The directory that a path leads to, with all links followed inside the tree. Directories that are missing are made, also where a
   * link leads to nothing. So do containerd (`fs.RootPath`) and umoci (`securejoin.SecureJoin`), and make the rest of the way.
   *
   * @throws TreeError when the way leads through a file, or in a circle.
   */
  makeDirectory(components: readonly string[], layer: number, mtime: Timestamp): TreeDirectory {
    const found = this.#follow(components, (parent, name, pathBytes) => {
      this.count(1, pathBytes);
      const entry = { inode: newDirectory(mtime), layer };
      parent.names.set(name, entry);
      return entry;
    });
    if (found === undefined) throw new TreeError("a directory is missing");
    for (const entry of found.way) entry.layer = layer;
    return found;
  }

  /** The directory that a path leads to, with all links followed; undefined where there is none. @throws TreeError for links in a circle. */
  findDirectory(components: readonly string[]): TreeDirectory | undefined {
    return this.#follow(components);
  }

  /**
   * What a path leads to, with links followed also at its end, and the path without links.
   *
   * @returns undefined where it leads to nothing.
   */
  find(path: string): { readonly inode: Inode; readonly path: readonly string[] } | undefined {
    try {
      let rest: readonly string[] = splitPath(path);
      for (let links = 0; links <= MAX_LINKS; links += 1) {
        const directory = this.findDirectory(rest.slice(0, -1));
        const name = rest.at(-1);
        if (name === undefined || directory === undefined) return directory;
        const inode = name === ".." ? undefined : directory.inode.names.get(name)?.inode;
        if (inode === undefined) return undefined;
        if (inode.type !== "symlink") return { inode, path: [...directory.path, name] };
        rest = [...(inode.target.startsWith("/") ? [] : directory.path), ...splitPath(inode.target)];
      }
      return undefined;
    } catch (error) {
      if (error instanceof TreeError) return undefined;
      throw error;
    }
  }

  #follow(
    components: readonly string[],
    make?: (parent: DirectoryInode, name: string, pathBytes: number) => DirectoryEntry,
  ): TreeDirectory | undefined {
    const way: DirectoryEntry[] = [];
    const path: string[] = [];
    let here = this.root;
    let pathBytes = 0;
    let links = 0;
    let steps = 0;
    const ahead = components.toReversed();
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      steps += 1;
      this.countStep();
      if (steps > MAX_STEPS) throw new TreeError("its path is too long with all links on it");
      if (name === "..") {
        way.pop();
        pathBytes -= 1 + (path.pop()?.length ?? -1);
        here = directoryOf(way.at(-1)) ?? this.root;
        continue;
      }
      const entry = here.names.get(name) ?? make?.(here, name, pathBytes + 1 + name.length);
      if (entry === undefined) return undefined;
      const { inode } = entry;
      if (inode.type === "symlink") {
        links += 1;
        if (links > MAX_LINKS) throw new TreeError("its path has links that lead in a circle");
        if (inode.target.startsWith("/")) {
          way.length = 0;
          path.length = 0;
          pathBytes = 0;
          here = this.root;
        }
        ahead.push(...splitPath(inode.target).toReversed());
        continue;
      }
      if (inode.type !== "directory") {
        if (make === undefined) return undefined;
        throw new TreeError("its path leads through a file");
      }
      pathBytes += 1 + name.length;
      if (pathBytes >= MAX_PATH) throw new TreeError(`its path is longer than ${MAX_PATH - 1} bytes`);
      way.push(entry);
      path.push(name);
      here = inode;
    }
    this.#steps += steps;
    if (this.#steps > MAX_ALL_STEPS)
      throw new TreeLimitError(MAX_ALL_STEPS, "steps on the paths of its files");
    return { inode: here, path, way };
  }
}

function directoryOf(entry: DirectoryEntry | undefined): DirectoryInode | undefined {
  return entry?.inode.type === "directory" ? entry.inode : undefined;
}

/** A directory that no layer describes. */
function newDirectory(mtime: Timestamp): DirectoryInode {
  const attributes: Attributes = { mode: 0o755, uid: 0, gid: 0, mtime, xattrs: new Map() };
  return { type: "directory", attributes, names: new Map() };
}
