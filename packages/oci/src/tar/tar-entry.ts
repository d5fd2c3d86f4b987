export type TarEntryType =
  | "file"
  | "directory"
  | "symlink"
  | "hard-link"
  | "fifo"
  | "character-device"
  | "block-device";

export interface Timestamp {
  /** Since the Unix epoch. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** A part of a sparse file that is stored; between the parts are zeros. */
export interface SparsePiece {
  /** Where it begins in the file. */
  readonly at: number;
  readonly length: number;
}

/** Where the bytes of a file are in the archive. */
export interface TarContent {
  /** Bytes of the file as programs see it. */
  readonly size: number;
  /** Where the stored bytes begin in the archive; one piece follows the other. */
  readonly offset: number;
  /** Undefined: all bytes are stored. */
  readonly pieces: readonly SparsePiece[] | undefined;
}

/** A member of a tar archive. Names and targets are byte strings. */
export interface TarEntry {
  readonly type: TarEntryType;
  readonly name: string;
  /** What a symbolic link contains, or the name of the file that a hard link is another name of. */
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly device: { readonly major: number; readonly minor: number };
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Empty where the member is not a file. */
  readonly content: TarContent;
}
