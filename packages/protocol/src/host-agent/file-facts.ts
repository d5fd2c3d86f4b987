import { Type } from "typebox";
import { Count, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

export interface FileOptions {
  /** User whose permissions hold; root when absent. */
  readonly user?: string;
  readonly signal: AbortSignal;
}

/** One version of a file: what its entity tag stands for. */
export const FileVersion = Type.Object({ inode: Type.BigInt(), size: Count, modifiedNs: Type.BigInt() });
export type FileVersion = Described<typeof FileVersion>;

/** Versions that one condition can name. */
export const VERSION_LIMIT = 32;
const Versions = Type.Array(FileVersion, { maxItems: VERSION_LIMIT });

/** What the target of a write has to be when it is replaced. */
export const WriteCondition = Type.Object({
  /** There is a file. */
  exists: Type.Boolean(),
  /** It is one of these versions. */
  anyOf: Type.Optional(Versions),
  /** It is none of these versions. */
  noneOf: Type.Optional(Versions),
  /** It was last changed in this second of Unix time or before. */
  unmodifiedSince: Type.Optional(Type.Integer()),
});
export type WriteCondition = Described<typeof WriteCondition>;

export const WriteOptions = Type.Object({
  /** Permission bits; when absent a new file has 0644, and an existing one keeps its own. */
  mode: Type.Optional(Count),
  /** Fails with `path_exists` instead of replacing. */
  exclusive: Type.Optional(Type.Boolean()),
  /** Fails with `precondition_failed` when the target is another one, also in the moment of its replacement. */
  condition: Type.Optional(WriteCondition),
});
export type WriteOptions = Described<typeof WriteOptions>;

export const FileType = Type.Enum([
  "file",
  "directory",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
]);
export type FileType = Described<typeof FileType>;

export const FileEntry = Type.Object({
  name: Text,
  path: Text,
  type: FileType,
  mode: Count,
  owner: Text,
  group: Text,
  uid: Count,
  gid: Count,
  size: Count,
  modifiedNs: Type.BigInt(),
  inode: Type.BigInt(),
  symlinkTarget: Type.Optional(Text),
  /** Type of what a symlink points to; absent when dangling or not a symlink. */
  targetType: Type.Optional(FileType),
});
export type FileEntry = Described<typeof FileEntry>;

/** Extended attributes as text by name. */
export const FileAttributes = Type.Record(Text, Text);
export type FileAttributes = Described<typeof FileAttributes>;

/** Files of one request for attributes. */
export const ATTRIBUTE_PATHS = 256;

/** Entries of one page of a list; the guest allows at most this many. */
export const FILE_PAGE_LIMIT = 10_000;

export const FilePageRequest = Type.Object({
  /** Levels below the directory. */
  depth: Count,
  /** Most entries, up to {@link FILE_PAGE_LIMIT}. */
  limit: Count,
  /** `next` of the page before; absent for the first page. */
  after: Type.Optional(Text),
});
export type FilePageRequest = Described<typeof FilePageRequest>;

export const FilePage = Type.Object({
  /** In the order of their paths. A page may have fewer entries than it was to have, also when others follow. */
  entries: Type.Array(FileEntry),
  /** Path of the last entry, relative to the directory; absent on the last page. */
  next: Type.Optional(Text),
});
export type FilePage = Described<typeof FilePage>;
