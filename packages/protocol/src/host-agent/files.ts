import { Type } from "typebox";
import { Count, Text } from "./scalars.ts";
import type {
  FileAttributes,
  FileEntry,
  FileOptions,
  FilePage,
  FilePageRequest,
  WriteOptions,
} from "./file-facts.ts";
import type { Described } from "./scalars.ts";
import type { CapsuleUploads } from "./uploads.ts";

/**
 * Files of one capsule. Paths are absolute, `~`-prefixed, or relative to the user's home. Names that are not valid UTF-8
 * are shown with each such byte as U+DC80 + (byte − 0x80), written as a JSON escape, and accepted back the same way.
 *
 * Errors: `path_not_found`, `path_exists`, `not_a_directory`, `is_a_directory`, `not_a_file`, `permission_denied`,
 * `disk_full_in_capsule`, `read_only_file_system`, `path_invalid`, `user_not_found`.
 */
export interface CapsuleFiles {
  readonly uploads: CapsuleUploads;
  stat(path: string, options: FileOptions & { readonly follow?: boolean }): Promise<FileEntry>;
  /** All entries at once. @throws WrennError `too_many_entries`: {@link listPage} has no limit. */
  list(path: string, depth: number, options: FileOptions): Promise<readonly FileEntry[]>;
  /** A part of the list. An entry that exists all the time is on exactly one page, whatever else appears or vanishes. */
  listPage(path: string, request: FilePageRequest, options: FileOptions): Promise<FilePage>;
  makeDirectory(path: string, options: FileOptions): Promise<FileEntry>;
  remove(path: string, options: FileOptions & { readonly recursive: boolean }): Promise<void>;
  move(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean },
  ): Promise<FileEntry>;
  copy(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean; readonly recursive: boolean },
  ): Promise<FileEntry>;
  changeMode(
    path: string,
    mode: number,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<FileEntry>;
  /**
   * Extended attributes of files whose names begin with `prefix`, in the order of the paths: at most {@link ATTRIBUTE_PATHS}. Links are
   * followed. A file that is not there, or that the user may not read, has none, and neither have files of a capsule with an earlier agent.
   *
   * @param prefix - begins with `user.`, and is longer.
   */
  attributes(
    paths: readonly string[],
    prefix: string,
    options: FileOptions,
  ): Promise<readonly FileAttributes[]>;
  /**
   * Gives a file these attributes and takes away all others whose names begin with `prefix`.
   *
   * @param prefix - begins with `user.`, and is longer; so does every name begin with it.
   * @throws WrennError `attributes_unsupported` of a capsule with an earlier agent, `disk_full_in_capsule` when they have no room.
   */
  setAttributes(
    path: string,
    prefix: string,
    attributes: FileAttributes,
    options: FileOptions,
  ): Promise<void>;
  /**
   * Opens a file for reading; the bytes of the range follow. Entry, size and bytes are of one open file: one that is replaced
   * meanwhile is read to its end as it was. A failure midway, also a file that becomes shorter, rejects the iteration; what is
   * appended meanwhile is not read. Aborting releases a file whose bytes are not read.
   */
  read(path: string, options: FileOptions & { readonly range?: ByteRange }): Promise<FileContent>;
  /**
   * Replaces a file with the bytes of `content`, making missing parents: in one step unless that would take hard links, owner or a
   * mount from it (docs/reference/files.md#uploads). When `content` throws, the old file stays.
   */
  write(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: FileOptions & WriteOptions,
  ): Promise<FileEntry>;
  /**
   * The content of a directory as a gzip-compressed POSIX tar, made while it is read. A file that could not be read, or
   * became shorter meanwhile, rejects the iteration at the end.
   */
  archive(path: string, options: FileOptions): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Changes of a file, or in a directory and with `recursive` below it, from the moment this resolves. Ends when what is
   * watched goes away. Changes that were not taken in time are lost and announced as `overflow`.
   */
  watch(
    path: string,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<AsyncIterable<FileChange>>;
}

/**
 * Why a directory is not watched: the guest has no watches or memory left, the user may not read it, its path is too deep, or something
 * else.
 */
export const UnwatchedReason = Type.Enum(["limit", "permission", "depth", "unavailable"]);
export type UnwatchedReason = Described<typeof UnwatchedReason>;

/** One change; `offset` grows from one to the next. Paths are relative to what is watched, "" is itself. */
export const FileChange = Type.Union([
  Type.Object({
    type: Type.Enum(["create", "write", "remove", "rename", "chmod"]),
    offset: Count,
    path: Text,
    directory: Type.Boolean(),
    /** Where it was before; present for `rename` only. */
    oldPath: Type.Optional(Text),
  }),
  /** Changes were lost here: look at the files themselves. */
  Type.Object({ type: Type.Literal("overflow"), offset: Count }),
  /** Changes in this directory are not seen; "" stands for others that are not named. */
  Type.Object({ type: Type.Literal("unwatched"), offset: Count, path: Text, reason: UnwatchedReason }),
]);
export type FileChange = Described<typeof FileChange>;
export type FileChangeType = Exclude<FileChange["type"], "overflow" | "unwatched">;

/** Bytes from `start` up to and including `end`, without `end` up to the end of the file; or the `last` bytes of it. */
export const ByteRange = Type.Union([
  Type.Object({ start: Count, end: Type.Optional(Count) }),
  Type.Object({ last: Count }),
]);
export type ByteRange = Described<typeof ByteRange>;

export interface FileContent {
  readonly entry: FileEntry;
  /** Bytes of the whole file; absent where only reading tells, as in /proc and /sys. */
  readonly size?: number;
  readonly bytes: AsyncIterable<Uint8Array>;
}
