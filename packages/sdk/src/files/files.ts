import { isWrennError } from "../errors/wrenn-error.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import type { FileData } from "./file-data.ts";
import { entryOf } from "./file-entry.ts";
import type { EntryJson, FileEntry } from "./file-entry.ts";
import type {
  DownloadOptions,
  EntriesOptions,
  FileDownload,
  FileOptions,
  ListOptions,
  MakeDirectoryOptions,
  ModeOptions,
  MoveOptions,
  RemoveOptions,
  TransferOptions,
  UploadOptions,
  WriteOptions,
} from "./file-options.ts";
import { modeText, queryOf, requirePath } from "./file-path.ts";
import type { UploadSource } from "./upload-source.ts";
import { watch } from "./watch.ts";
import type { FileWatch, WatchOptions } from "./watch.ts";
import { writeFile } from "./write.ts";

/** The server ends calls after 10 minutes. */
const LONG_MS = 11 * 60_000;
/** Entries of one request of {@link Files.entries}; the server allows at most {@link MAX_PAGE_SIZE}. */
const PAGE_SIZE = 1000;
const MAX_PAGE_SIZE = 10_000;
const COMMON = ["user", "signal"] as const;
const TRANSFER = [...COMMON, "onProgress"] as const;

/** How {@link Files.read} gives a file. */
export interface ReadOptions extends TransferOptions {
  /** Default: `text`. */
  readonly format?: "text" | "bytes" | "stream" | undefined;
}

/**
 * Files of a capsule. Paths are absolute, begin with `~`, or are relative to the home directory of the user. Errors are those of
 * docs/reference/files.md#errors, such as `path_not_found`.
 */
export class Files {
  readonly #http: HttpClient;
  readonly #capsuleId: string;
  readonly #base: string;

  constructor(http: HttpClient, capsuleId: string) {
    this.#http = http;
    this.#capsuleId = capsuleId;
    this.#base = `/v1/capsules/${segment(capsuleId)}/files`;
  }

  /** A file as text, bytes or a stream: {@link readText}, {@link readBytes}, {@link readStream}. */
  read(path: string, options: ReadOptions & { readonly format: "bytes" }): Promise<Uint8Array<ArrayBuffer>>;
  read(path: string, options: ReadOptions & { readonly format: "stream" }): Promise<FileDownload>;
  read(path: string, options?: ReadOptions & { readonly format?: "text" | undefined }): Promise<string>;
  async read(path: string, options: ReadOptions = {}): Promise<string | Uint8Array | FileDownload> {
    requireKnownOptions("files.read", options, [...TRANSFER, "format"]);
    const { format = "text", ...rest } = options;
    if (format === "text") return await this.readText(path, rest);
    if (format === "bytes") return await this.readBytes(path, rest);
    if (format === "stream") return await this.readStream(path, rest);
    throw invalidOption("files.read", "format", `must be text, bytes or stream, not '${String(format)}'`);
  }

  /**
   * A whole file as text. Bytes that are not UTF-8 become U+FFFD; a byte order mark is kept.
   *
   * @throws WrennError `path_not_found`, `is_a_directory`, `permission_denied`; as {@link readStream}.
   * @example
   * ```ts
   * await capsule.files.write("/root/notes.txt", "hello");
   * console.log(await capsule.files.readText("/root/notes.txt")); // → hello
   * ```
   */
  async readText(path: string, options: TransferOptions = {}): Promise<string> {
    const bytes = await this.readBytes(path, options);
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  }

  /** A whole file in memory. @throws WrennError as {@link readText}. */
  async readBytes(path: string, options: TransferOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const stream = await this.#download("files.read", path, options, TRANSFER);
    const { collect } = await import("./download.ts");
    return await collect(stream, stream.size);
  }

  /** A file as a stream that resumes by itself: {@link download} from the beginning. */
  async readStream(path: string, options: TransferOptions = {}): Promise<FileDownload> {
    return await this.#download("files.read", path, options, TRANSFER);
  }

  /**
   * Opens a file as a stream. After a broken connection it continues with the next byte by itself. It ends only when the whole file
   * has arrived, as it was when it was opened; a consumer that is slow slows the transfer.
   *
   * @throws WrennError `path_not_found`, `is_a_directory`, `permission_denied`. The stream fails with `file_changed` when the file
   *   was changed before it could be continued, and with `stream_lost` after `resumeMs`: its details have `from` and `version` for a
   *   later download of the rest.
   * @example
   * ```ts
   * const stream = await capsule.files.download("/etc/hostname");
   * let bytes = 0;
   * for await (const chunk of stream) bytes += chunk.length;
   * console.log(bytes === stream.size); // → true
   * ```
   */
  async download(path: string, options: DownloadOptions = {}): Promise<FileDownload> {
    return await this.#download("files.download", path, options, [...TRANSFER, "from", "version"]);
  }

  /**
   * Writes a file in one request: it appears whole or not at all, with missing parent directories. A failed request is repeated with
   * data in memory and with a function, which is called for each attempt; a stream is sent once. Bytes in memory are verified with
   * their SHA-256, up to 64 MiB.
   *
   * @throws WrennError `path_exists` without `overwrite`; `is_a_directory`, `permission_denied`, `disk_full_in_capsule`; `body_spent`
   *   when a stream broke off; `unsupported_runtime` for streams in browsers that cannot send them: use {@link upload}.
   */
  async write(
    path: string,
    data: FileData | (() => FileData | Promise<FileData>),
    options: WriteOptions = {},
  ): Promise<FileEntry> {
    const call = "files.write";
    requirePath(call, path);
    requireKnownOptions(call, options, [...TRANSFER, "mode", "overwrite"]);
    const mode = modeText(call, options.mode);
    const query = queryOf(call, { path, user: options.user, mode });
    return await writeFile({ http: this.#http, path: `${this.#base}/content${query}`, options }, data);
  }

  /**
   * Uploads a file in pieces that are verified with their SHA-256. After a broken connection it continues by itself where the
   * capsule has the bytes up to. The file appears whole or not at all. Streams work in every runtime: a piece is kept until the
   * capsule has it, and no byte is asked of a stream twice.
   *
   * @param source - a function is called with the offset at which its data has to begin.
   * @throws WrennError `path_exists` without `overwrite`; `stream_lost` after `resumeMs`: its details have `uploadId` for `resume`;
   *   `body_spent` when the capsule went back to a state in which it lacks bytes that a one-shot stream gave; `too_many_uploads`,
   *   `uploads_unsupported`, `disk_full_in_capsule`.
   */
  async upload(path: string, source: UploadSource, options: UploadOptions = {}): Promise<FileEntry> {
    const call = "files.upload";
    requirePath(call, path);
    const own = ["mode", "overwrite", "size", "chunkBytes", "resume", "keepUnfinished"];
    requireKnownOptions(call, options, [...TRANSFER, ...own]);
    const { user } = options;
    const find = async (size: number, signal: AbortSignal): Promise<FileEntry | undefined> => {
      // Follows a link, as the upload did.
      const file = await this.download(path, { user, signal });
      await file.cancel();
      return file.size === size ? await this.stat(path, { user, signal }) : undefined;
    };
    // Loaded when it is used, so that bundles for browsers begin small.
    const { uploadFile } = await import("./upload.ts");
    return await uploadFile({ http: this.#http, base: this.#base, path, find, options }, source);
  }

  /**
   * The entries of a directory in one answer, sorted by the bytes of names, each directory before what is in it.
   *
   * @throws WrennError `not_a_directory`; `too_many_entries` above 100,000: {@link entries} has no limit.
   */
  async list(path: string, options: ListOptions = {}): Promise<readonly FileEntry[]> {
    const call = { name: "files.list", known: ["depth"], isRepeatable: true, isLong: true };
    const { entries } = await this.#call<{ entries: readonly EntryJson[] }>(call, "list", { path }, options);
    return entries.map(entryOf);
  }

  /**
   * The same entries, page by page as they are read, of a directory of any size. What exists all the time is given exactly once. It
   * can be iterated several times; each time reads the directory again.
   *
   * @throws WrennError `invalid_option`, `unknown_option`; the iteration `not_a_directory`.
   * @example
   * ```ts
   * for await (const { path } of capsule.files.entries("/etc", { pageSize: 100 })) if (path === "/etc/hostname") console.log(path); // → /etc/hostname
   * ```
   */
  entries(path: string, { pageSize = PAGE_SIZE, ...options }: EntriesOptions = {}): AsyncIterable<FileEntry> {
    const name = "files.entries";
    requirePath(name, path);
    requireKnownOptions(name, options, ["depth", ...COMMON]);
    if (!Number.isInteger(pageSize) || pageSize < 1 || pageSize > MAX_PAGE_SIZE)
      throw invalidOption(name, "pageSize", `must be a whole number from 1 to ${MAX_PAGE_SIZE}`);
    const call = { name, known: ["depth"], isRepeatable: true, isLong: true };
    const readPage = async (cursor: string | undefined): Promise<ListPage> =>
      await this.#call<ListPage>(call, "list", { path, limit: pageSize, cursor }, options);
    return {
      async *[Symbol.asyncIterator]() {
        for (let cursor: string | undefined, isLast = false; !isLast;) {
          const { entries, next_cursor: next } = await readPage(cursor);
          yield* entries.map(entryOf);
          cursor = next;
          isLast = next === undefined;
        }
      },
    };
  }

  /** The entry of a path; a link at its end is not followed. @throws WrennError `path_not_found`. */
  async stat(path: string, options: FileOptions = {}): Promise<FileEntry> {
    return await this.#entry({ name: "files.stat", isRepeatable: true }, "stat", { path }, options);
  }

  /** Whether a path exists; also a link whose target does not. */
  async exists(path: string, options: FileOptions = {}): Promise<boolean> {
    const call = { name: "files.exists", isRepeatable: true };
    return (await this.#call<{ exists: boolean }>(call, "exists", { path }, options)).exists;
  }

  /**
   * Makes a directory with its parents. One that exists is left as it is.
   *
   * @throws WrennError `not_a_directory` where a file is in its place; `path_exists` with `exclusive`.
   */
  async mkdir(
    path: string,
    { exclusive = false, ...options }: MakeDirectoryOptions = {},
  ): Promise<FileEntry> {
    const call = { name: "files.mkdir", known: ["exclusive"], isRepeatable: !exclusive };
    try {
      return await this.#entry(call, "mkdir", { path }, options);
    } catch (error) {
      if (exclusive || !isWrennError(error, "path_exists")) throw error;
      return await this.stat(path, options);
    }
  }

  /**
   * Removes a file, a link, or a directory with everything in it.
   *
   * @throws WrennError `path_not_found` without `force`; `path_in_use`, which names what could not be removed.
   */
  async remove(path: string, { force = false, ...options }: RemoveOptions = {}): Promise<void> {
    const call = { name: "files.remove", known: ["force"], isRepeatable: force, isLong: true };
    try {
      await this.#call(call, "remove", { path }, options);
    } catch (error) {
      if (!force || !isWrennError(error, "path_not_found")) throw error;
    }
  }

  /**
   * Moves or renames. Parents of the destination are not made.
   *
   * @param destination - the new path itself, also where a directory has that name.
   * @throws WrennError `path_exists` without `overwrite`; docs/reference/files.md#refused-copies-and-moves.
   */
  async move(source: string, destination: string, options: MoveOptions = {}): Promise<FileEntry> {
    return await this.#relocate("move", source, destination, options);
  }

  /**
   * Copies a file, or a directory with everything in it. A copy that fails or is aborted leaves nothing.
   *
   * @param destination - the path of the copy itself, also where a directory has that name.
   * @throws WrennError `path_exists` without `overwrite`; docs/reference/files.md#refused-copies-and-moves.
   */
  async copy(source: string, destination: string, options: MoveOptions = {}): Promise<FileEntry> {
    return await this.#relocate("copy", source, destination, options);
  }

  /** Sets permissions, such as `0o755` or `"755"`; a link at the end of the path is followed. */
  async chmod(path: string, mode: number | string, options: ModeOptions = {}): Promise<FileEntry> {
    const name = "files.chmod";
    const { recursive, ...rest } = options;
    const call = { name, known: ["recursive"], isRepeatable: true, isLong: true };
    return await this.#entry(call, "chmod", { path, mode: modeText(name, mode), recursive }, rest);
  }

  /**
   * A directory with everything in it as a stream of tar.gz, made while it is read. A stream that breaks off fails: it cannot be
   * continued.
   *
   * @throws WrennError `not_a_directory`; the stream `connection_lost`, also when a file in it cannot be read.
   */
  async archive(
    path: string,
    options: TransferOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const call = "files.archive";
    requirePath(call, path);
    requireKnownOptions(call, options, TRANSFER);
    const url = `${this.#base}/archive${queryOf(call, { path, user: options.user })}`;
    const name = `the archive of ${path}`;
    const { downloadFile } = await import("./download.ts");
    return await downloadFile({ http: this.#http, path: url, name, call, options, timeoutMs: LONG_MS });
  }

  /**
   * Changes of a file, or of what is in a directory, as they happen. It goes on after broken connections.
   *
   * @throws WrennError `unknown_option`, `invalid_option`; the iteration such as `path_not_found`.
   * @example
   * ```ts
   * await using changes = capsule.files.watch("/root");
   * await changes.ready();
   * await capsule.files.mkdir("/root/new");
   * for await (const change of changes) {
   *   console.log(change.type); // → create
   *   break;
   * }
   * ```
   */
  watch(path: string, options: WatchOptions = {}): FileWatch {
    return watch(this.#http, this.#capsuleId, path, options);
  }

  async #download(
    call: string,
    path: string,
    options: DownloadOptions,
    known: readonly string[],
  ): Promise<FileDownload> {
    requirePath(call, path);
    requireKnownOptions(call, options, known);
    const query = queryOf(call, { path, user: options.user });
    const url = `${this.#base}/content${query}`;
    const { downloadFile } = await import("./download.ts");
    return await downloadFile({ http: this.#http, path: url, name: path, call, options });
  }

  async #relocate(
    verb: "move" | "copy",
    source: string,
    destination: string,
    { overwrite, ...options }: MoveOptions,
  ): Promise<FileEntry> {
    const name = `files.${verb}`;
    requirePath(name, source, "source");
    requirePath(name, destination, "destination");
    return await this.#entry({ name, isLong: true }, verb, { source, destination, overwrite }, options);
  }

  async #entry(call: Call, verb: string, body: CallBody, options: FileOptions): Promise<FileEntry> {
    return entryOf((await this.#call<{ entry: EntryJson }>(call, verb, body, options)).entry);
  }

  async #call<T>(
    { name, known = [], isRepeatable = false, isLong = false }: Call,
    verb: string,
    body: CallBody,
    { user, signal, ...options }: FileOptions,
  ): Promise<T> {
    if ("path" in body) requirePath(name, body["path"]);
    requireKnownOptions(name, options, [...known, ...COMMON]);
    return await this.#http.json<T>("POST", `${this.#base}/${verb}`, {
      json: present({ ...body, ...options, user }),
      signal,
      isSafeToRepeat: isRepeatable,
      ...(isLong ? { timeoutMs: LONG_MS } : {}),
    });
  }
}

/** A call that is a request with JSON. */
interface Call {
  readonly name: string;
  /** Options beside those of every call. */
  readonly known?: readonly string[];
  readonly isRepeatable?: boolean;
  /** It may take minutes. */
  readonly isLong?: boolean;
}

interface ListPage {
  readonly entries: readonly EntryJson[];
  readonly next_cursor?: string;
}

type CallBody = Readonly<Record<string, unknown>>;
