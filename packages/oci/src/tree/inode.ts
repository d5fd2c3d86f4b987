import type { TarContent, Timestamp } from "../tar/tar-entry.ts";

/** What every file has, of whatever type. */
export interface Attributes {
  /** Permissions with set-user-id, set-group-id and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** The contents of a file, in the decompressed archive of a layer. */
export interface StoredContent extends TarContent {
  /** Number of the layer, from 0 up. */
  readonly layer: number;
}

export interface FileInode {
  readonly type: "file";
  attributes: Attributes;
  readonly content: StoredContent;
}

export interface SymlinkInode {
  readonly type: "symlink";
  attributes: Attributes;
  /** A byte string. It is text: nothing outside of the tree is ever reached by it. */
  readonly target: string;
}

export interface FifoInode {
  readonly type: "fifo";
  attributes: Attributes;
}

export interface DirectoryInode {
  readonly type: "directory";
  attributes: Attributes;
  readonly names: Map<string, DirectoryEntry>;
}

export type Inode = FileInode | SymlinkInode | FifoInode | DirectoryInode;

/** A name in a directory. Hard links are several names of one inode. */
export interface DirectoryEntry {
  readonly inode: Inode;
  /** The layer that wrote the name, or something below it, last. Whiteouts are for what layers below have. */
  layer: number;
}
