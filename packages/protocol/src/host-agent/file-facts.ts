import { Type } from "typebox";
import { Count, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

export interface FileOptions {
  /** User whose permissions hold; root when absent. */
  readonly user?: string;
  readonly signal: AbortSignal;
}

export const WriteOptions = Type.Object({
  /** Permission bits of a new file; 0644 when absent. An existing file keeps its own. */
  mode: Type.Optional(Count),
  /** Fails with `path_exists` instead of replacing. */
  exclusive: Type.Optional(Type.Boolean()),
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
