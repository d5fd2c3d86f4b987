/** What a name in a copied tree is. `special` is everything that has no content to copy: devices, FIFOs, sockets. */
export type EntryKind = "file" | "directory" | "symlink" | "special";

/** A name in a copied tree. */
export interface CopyEntry {
  /**
   * Below the root of the tree, with `/` between its parts; empty for the root itself. Bytes that are not UTF-8 are U+DC80 to
   * U+DCFF, one each.
   */
  readonly path: string;
  readonly kind: EntryKind;
  /** Bytes. */
  readonly size: number;
  /** Permission bits, at most `0o777`; undefined where the system has none. */
  readonly mode: number | undefined;
  /** Where a link points. */
  readonly target?: string;
}

/** An entry that could not be copied. */
export interface CopyFailure {
  readonly path: string;
  readonly code: string;
  readonly message: string;
}

/** Content of a file from an offset on. */
export interface OpenFile {
  /** Bytes of the whole file; undefined where it has no size before it is read. */
  readonly size: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The side that is read. */
export interface CopySource {
  /** For messages: the path as the user wrote it. */
  readonly label: string;
  /** The last part of its path; empty for a root directory. */
  readonly name: string;
  /** The thing itself. @throws when it does not exist. */
  root(): Promise<CopyEntry>;
  /** Everything below the root, parents first. What cannot be read is reported and left out. */
  below(report: (failure: CopyFailure) => void): Promise<readonly CopyEntry[]>;
  open(entry: CopyEntry, offset: number): Promise<OpenFile>;
  /** SHA-256 of files in hexadecimal as the other machine has them, by path. Absent where the files are of this machine. */
  readonly digests?: (entries: readonly CopyEntry[]) => Promise<ReadonlyMap<string, string>>;
}

/** A file to write, and where its bytes come from. */
export interface FileToWrite {
  readonly entry: CopyEntry;
  readonly open: (offset: number) => Promise<OpenFile>;
  /** What the source says the SHA-256 is; undefined where it did not say. Absent for sources of this machine. */
  readonly expected?: () => Promise<string | undefined>;
  /** Called with the bytes of the file that were transferred so far. */
  readonly onProgress: (bytes: number) => void;
}

/** The side that is written. Nothing appears under its name before it is whole. */
export interface CopyTarget {
  readonly label: string;
  /** What is at the path: a link counts as what it points to, and as `symlink` where that is missing. */
  rootKind(): Promise<EntryKind | undefined>;
  /** The target of this name in the directory. */
  child(name: string): CopyTarget;
  /** Makes directories, parents first; one that exists keeps its mode. Gives those that something else is in the place of. */
  makeDirectories(directories: readonly CopyEntry[]): Promise<readonly CopyFailure[]>;
  /** Writes a file and sets its mode. Gives its bytes. @throws ClientError `copy_differs`. */
  writeFile(file: FileToWrite): Promise<number>;
  makeLinks(links: readonly CopyEntry[]): Promise<readonly CopyFailure[]>;
  /** Takes rights away from new directories whose mode needs it, once nothing is written into them. */
  finish(): Promise<readonly CopyFailure[]>;
  /** Removes what is unfinished. Can be repeated. */
  close(): Promise<void>;
}
