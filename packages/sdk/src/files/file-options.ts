/** Options of every call. */
export interface FileOptions {
  /** Whose rights and home directory apply. Default: root. */
  readonly user?: string | undefined;
  /** Ends the call, which rejects with the reason of the signal. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a transfer is. */
export interface TransferProgress {
  /** Bytes of the file that were handed over, those before the beginning of a continued transfer included. */
  readonly transferredBytes: number;
  /** Size of the file. Absent where it is not known. */
  readonly totalBytes?: number;
}

/** Options of calls that transfer bytes. */
export interface TransferOptions<Progress extends TransferProgress = TransferProgress> extends FileOptions {
  /** Called as bytes are transferred. An error that it throws ends the transfer and rejects the call. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface WriteOptions<
  Progress extends TransferProgress = TransferProgress,
> extends TransferOptions<Progress> {
  /** Permissions, such as `0o755` or `"755"`. Default: those of the file that is replaced, 0o644 for a new one. */
  readonly mode?: number | string | undefined;
  /** Whether an existing file is replaced; if not, it is refused with `path_exists`. Default: true. */
  readonly overwrite?: boolean | undefined;
}

export interface UploadProgress extends TransferProgress {
  readonly totalBytes: number;
  /** For `resume` of a later call. */
  readonly uploadId: string;
}

export interface UploadOptions extends WriteOptions<UploadProgress> {
  /** Bytes of the whole file. Required for streams and functions. */
  readonly size?: number | undefined;
  /** Most bytes of a request; as many are kept in memory. Default: 4 MiB. */
  readonly chunkBytes?: number | undefined;
  /** Id of an upload to continue, of the same data. Path and other options of the file are those it began with. */
  readonly resume?: string | undefined;
  /** Keeps what arrived when the call fails or is aborted, for a call with `resume` within a day. Default: false. */
  readonly keepUnfinished?: boolean | undefined;
}

export interface DownloadOptions extends TransferOptions {
  /** Bytes to skip: what an earlier download already has. Default: 0. */
  readonly from?: number | undefined;
  /** Version that the file must have: that of the earlier download. Another one is refused with `file_changed`. */
  readonly version?: string | undefined;
}

/** A stream of a file's bytes. Read it to its end, or cancel it: until then it holds a connection. */
export interface FileDownload extends ReadableStream<Uint8Array<ArrayBuffer>> {
  /** Bytes of the whole file. Undefined for files without a size, such as those of /proc. */
  readonly size: number | undefined;
  /** Changes with every change of the file. Undefined for files without a size. */
  readonly version: string | undefined;
}

export interface ListOptions extends FileOptions {
  /** Levels below the directory, 1 to 100. Default: 1. */
  readonly depth?: number | undefined;
}

export interface EntriesOptions extends ListOptions {
  /** Most entries of one request, 1 to 10,000. Default: 1,000. */
  readonly pageSize?: number | undefined;
}

export interface MakeDirectoryOptions extends FileOptions {
  /** Refuses an existing directory with `path_exists`. Default: false. */
  readonly exclusive?: boolean | undefined;
}

export interface RemoveOptions extends FileOptions {
  /** A path that does not exist is fine. Default: false. */
  readonly force?: boolean | undefined;
}

export interface MoveOptions extends FileOptions {
  /** Replaces what is at the destination, as docs/reference/files.md describes. Default: false. */
  readonly overwrite?: boolean | undefined;
}

export interface ModeOptions extends FileOptions {
  /** Changes everything below a directory, too. Default: false. */
  readonly recursive?: boolean | undefined;
}
