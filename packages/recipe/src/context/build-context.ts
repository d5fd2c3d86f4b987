/** What identifies the content of a file between two looks at it. */
export interface ContentIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
}

/** A file, directory or link of a context. */
export interface ContextEntry {
  /** Relative to the context, with slashes. */
  readonly path: string;
  readonly type: "file" | "directory" | "link";
  /** 0755 for directories and files that their owner may execute, else 0644; neither the umask nor the file system shows in it. */
  readonly mode: number;
  /** Bytes of a file, else 0. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtimeSec: number;
  /** What a link contains. */
  readonly target: string | undefined;
  /** The same for names of one file that has several; undefined for other files. */
  readonly inode: string | undefined;
  readonly identity: ContentIdentity;
}

/** Something of a context that is not as it looks, and does not fail the build by itself. */
export interface ContextProblem {
  readonly path: string;
  readonly kind:
    /** A link to something that is not in the context. It stays a link. */
    | "dangling-link"
    /** A link to a place outside of the context. It stays a link, and what is there is not read. */
    | "outside-link"
    /** A file or directory that this user may not read. It is left out. */
    | "unreadable"
    /** A socket, device or pipe. It is left out. */
    | "special-file"
    /** A name or a link's target that is not UTF-8. It is left out. */
    | "name-not-utf8";
  readonly message: string;
}

/** The files of a build, as they were when the context was read. */
export class BuildContext {
  /** The directory, as the user named it. */
  readonly root: string;
  /** Directories before what is in them, names in the order of their bytes. */
  readonly entries: readonly ContextEntry[];
  readonly problems: readonly ContextProblem[];
  readonly #byPath: ReadonlyMap<string, ContextEntry>;
  readonly #children: ReadonlyMap<string, readonly ContextEntry[]>;

  constructor(root: string, entries: readonly ContextEntry[], problems: readonly ContextProblem[]) {
    this.root = root;
    this.entries = entries;
    this.problems = problems;
    this.#byPath = new Map(entries.map((entry) => [entry.path, entry]));
    const children = new Map<string, ContextEntry[]>();
    for (const entry of entries) {
      const directory = directoryOf(entry.path);
      const known = children.get(directory);
      if (known === undefined) children.set(directory, [entry]);
      else known.push(entry);
    }
    this.#children = children;
  }

  find(path: string): ContextEntry | undefined {
    return this.#byPath.get(path);
  }

  /** What is in a directory; the empty path is the context itself. */
  childrenOf(path: string): readonly ContextEntry[] {
    return this.#children.get(path) ?? [];
  }
}

/** The directory of a path, empty for names of the context itself. */
export function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** The last name of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
