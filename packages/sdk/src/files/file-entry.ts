/** What a name in the file system of a capsule is. */
export interface FileEntry {
  /**
   * The last part of the path. Bytes that are not UTF-8 are U+DC80 to U+DCFF, one each; every call takes them back in this form.
   */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  /** A link has the type of its target, or `symlink` if that is missing. What else exists is a `file`: see `kind`. */
  readonly type: "file" | "directory" | "symlink";
  /** What the name itself is. */
  readonly kind: "file" | "directory" | "symlink" | "character-device" | "block-device" | "fifo" | "socket";
  /** Bytes. */
  readonly size: number;
  /** Permission bits, such as `0o644`. */
  readonly mode: number;
  /** As `ls -l` shows them, such as `-rw-r--r--`. */
  readonly permissions: string;
  readonly owner: string;
  readonly group: string;
  /** Exact to the second. */
  readonly modifiedAt: Date;
  /** Present for links only. */
  readonly symlinkTarget?: string;
}

/** A {@link FileEntry} in JSON of the API. */
export interface EntryJson extends Omit<FileEntry, "modifiedAt" | "symlinkTarget"> {
  /** Unix seconds. */
  readonly modified_at: number;
  readonly symlink_target?: string;
}

export function entryOf({ modified_at: modifiedAt, symlink_target: target, ...entry }: EntryJson): FileEntry {
  return {
    ...entry,
    modifiedAt: new Date(modifiedAt * 1000),
    ...(target === undefined ? {} : { symlinkTarget: target }),
  };
}
