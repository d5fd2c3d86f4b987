import { pipeline, Readable } from "node:stream";
import { constants, createGzip } from "node:zlib";
import { ConcurrencyLimit, defined, WrennError } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import type {
  ByteRange,
  CapsuleFiles,
  CapsuleUploads,
  FileAttributes,
  FileChange,
  FileContent,
  FileEntry,
  FileOptions,
  FilePage,
  FilePageRequest,
  WriteOptions,
} from "@wrenn/protocol";
import type { Lane } from "../lane/lane.ts";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { OutboundStream } from "../lane/outbound-stream.ts";
import { fileError } from "../refusal-to-error.ts";
import { changeAttributes, requestAttributes } from "./attributes.ts";
import { readEntry } from "./entry.ts";
import { readChanges } from "./file-changes.ts";
import { FileDownload } from "./file-download.ts";
import type { FileDownloadOptions } from "./file-download.ts";
import { GuestUploads } from "./guest-uploads.ts";
import type { GuestUploadsDeps } from "./guest-uploads.ts";
import { pageOf, requestPage } from "./list-pages.ts";
import { encodePath } from "./names.ts";
import { reserveUpload } from "./upload-room.ts";
import { conditionError, requestWrite } from "./write-request.ts";

const { operation } = guestChannel;
const TO_THE_END = 0xff_ff_ff_ff_ff_ff_ff_ffn;
const DIRECTORY_MODE = 0o755;
/** More entries than this make an answer that nobody can use. */
const LIST_LIMIT = 100_000;
/** What the guest keeps of an archive, and of the changes of one watch: more than that cannot be on its way. */
const ARCHIVE_RING = 1 << 20;
const WATCH_RING = 1 << 17;
/** With the names of directories that are not watched. Agents of earlier versions take every value but 0 for recursive, and name none. */
const RECURSIVE = 3;
/** Memory of a compressor, by zconf.h. */
const COMPRESSOR_BYTES = 384 << 10;
/** Listings at a time: each may be an answer of 16 MiB and as many objects. */
const LISTINGS = 4;

/** Files of one guest, over the bulk lane. */
export class GuestFiles implements CapsuleFiles {
  readonly uploads: CapsuleUploads;
  readonly #lane: Lane;
  readonly #buffer: CapsuleBuffer;
  readonly #nextHandle: () => number;
  readonly #listings = new ConcurrencyLimit(LISTINGS);

  constructor(deps: GuestUploadsDeps, uploadLifetimeMs: number) {
    this.#lane = deps.lane;
    this.#buffer = deps.buffer;
    this.#nextHandle = deps.nextHandle;
    this.uploads = new GuestUploads(deps, uploadLifetimeMs);
  }

  async stat(path: string, options: FileOptions & { readonly follow?: boolean }): Promise<FileEntry> {
    const body = begin(path, options).u8(options.follow === true ? 1 : 0);
    return readEntry(await this.#request(operation.stat, body, "reading", path, options));
  }

  async list(path: string, depth: number, options: FileOptions): Promise<readonly FileEntry[]> {
    return await this.#listings.run(() => this.#listAll(path, depth, options), options.signal);
  }

  async listPage(path: string, request: FilePageRequest, options: FileOptions): Promise<FilePage> {
    const { user = "root", signal } = options;
    return await this.#listings.run(async () => {
      try {
        const page = await requestPage(this.#lane, begin(path, options), request, signal);
        return page ?? pageOf(await this.#listAll(path, request.depth, options), request);
      } catch (error) {
        throw fileError(error, { operation: "listing", path, user });
      }
    }, signal);
  }

  async #listAll(path: string, depth: number, options: FileOptions): Promise<readonly FileEntry[]> {
    const body = begin(path, options).u32(Math.max(1, depth)).u32(LIST_LIMIT);
    const answer = await this.#request(operation.listDirectory, body, "listing", path, options);
    return answer.list(() => readEntry(answer), LIST_LIMIT);
  }

  async makeDirectory(path: string, options: FileOptions): Promise<FileEntry> {
    const body = begin(path, options).u32(DIRECTORY_MODE).u8(1);
    return readEntry(await this.#request(operation.makeDirectory, body, "making", path, options));
  }

  async remove(path: string, options: FileOptions & { readonly recursive: boolean }): Promise<void> {
    await this.#request(
      operation.remove,
      begin(path, options).u8(options.recursive ? 1 : 0),
      "removing",
      path,
      options,
    );
  }

  async move(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean },
  ): Promise<FileEntry> {
    const body = begin(source, options)
      .bytes(encodePath(destination))
      .u8(1)
      .u8(options.overwrite ? 1 : 0);
    return readEntry(await this.#request(operation.move, body, "moving", source, options));
  }

  async copy(
    source: string,
    destination: string,
    options: FileOptions & { readonly overwrite: boolean; readonly recursive: boolean },
  ): Promise<FileEntry> {
    const body = begin(source, options)
      .bytes(encodePath(destination))
      .u8(options.recursive ? 1 : 0)
      .u8(options.overwrite ? 1 : 0);
    return readEntry(await this.#request(operation.copy, body, "copying", source, options));
  }

  async changeMode(
    path: string,
    mode: number,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<FileEntry> {
    const body = begin(path, options)
      .u32(mode)
      .u8(options.recursive ? 1 : 0);
    return readEntry(await this.#request(operation.changeMode, body, "changing the mode", path, options));
  }

  async attributes(
    paths: readonly string[],
    prefix: string,
    options: FileOptions,
  ): Promise<readonly FileAttributes[]> {
    return await requestAttributes(this.#lane, paths, prefix, options);
  }

  async setAttributes(
    path: string,
    prefix: string,
    attributes: FileAttributes,
    options: FileOptions,
  ): Promise<void> {
    await changeAttributes(this.#lane, path, { prefix, attributes }, options);
  }

  async read(path: string, options: FileOptions & { readonly range?: ByteRange }): Promise<FileContent> {
    const { range = { start: 0 } } = options;
    const { start, length } = "last" in range ? { start: 0, length: undefined } : spanOf(range);
    const handle = this.#nextHandle();
    const body = begin(path, options, handle)
      .u64(start)
      .u64(length ?? TO_THE_END);
    const stream = await this.#open(operation.read, handle, body, "reading", path, options, {
      attached: !("last" in range),
    });
    const entry = readEntry(stream.answer);
    const size = sizeOf(entry, stream.answer);
    // Where the last bytes begin is known only now; the guest sends from wherever the stream is attached.
    const from = "last" in range ? Math.max(0, (size ?? 0) - range.last) : start;
    if ("last" in range) stream.attach(from);
    const expected = size === undefined ? undefined : Math.min(length ?? Infinity, Math.max(0, size - from));
    return { entry, bytes: exactly(stream.bytes, expected, path), ...defined({ size }) };
  }

  async archive(path: string, options: FileOptions): Promise<AsyncIterable<Uint8Array>> {
    const handle = this.#nextHandle();
    const body = begin(path, options, handle);
    const { bytes } = await this.#open(operation.archive, handle, body, "archiving", path, options, {
      window: ARCHIVE_RING,
      overhead: COMPRESSOR_BYTES,
    });
    return compress(bytes);
  }

  async watch(
    path: string,
    options: FileOptions & { readonly recursive: boolean },
  ): Promise<AsyncIterable<FileChange>> {
    const handle = this.#nextHandle();
    const body = begin(path, options, handle).u8(options.recursive ? RECURSIVE : 0);
    const { bytes } = await this.#open(operation.watch, handle, body, "watching", path, options, {
      window: WATCH_RING,
    });
    return readChanges(bytes);
  }

  async write(
    path: string,
    content: AsyncIterable<Uint8Array>,
    options: FileOptions & WriteOptions,
  ): Promise<FileEntry> {
    const handle = this.#nextHandle();
    const refused = (error: unknown): unknown =>
      fileError(conditionError(error, options, path), {
        operation: "writing",
        path,
        user: options.user ?? "root",
      });
    using room = reserveUpload(this.#buffer);
    const { isModeKept } = await requestWrite(options, (append) =>
      this.#lane.request(operation.write, append(begin(path, options, handle)).finish(), options.signal),
    ).catch((error: unknown) => {
      throw refused(error);
    });
    const upload = new OutboundStream(
      this.#lane,
      guestChannel.streamId(handle, guestChannel.stream.input),
      0,
    );
    upload.resume();
    try {
      let size = 0;
      for await (const chunk of content) {
        options.signal.throwIfAborted();
        await upload.write(chunk, room.backlog, options.signal);
        size += chunk.length;
      }
      await upload.write(new Uint8Array(), 0, options.signal);
      const commit = new guestChannel.BodyWriter().u32(handle).u64(size).u8(0);
      const entry = readEntry(await this.#lane.request(operation.commit, commit.finish(), options.signal));
      const { mode = entry.mode } = options;
      if (isModeKept || mode === entry.mode) return entry;
      return await this.changeMode(path, mode, { ...options, recursive: false });
    } catch (error) {
      // The new file goes, the old one stays.
      this.#abandon(handle);
      throw refused(error);
    } finally {
      upload.remove();
    }
  }

  /** Sends a request that is followed by a stream. Unless it is `attached` at once, nothing comes before `attach` is called. */
  async #open(
    op: number,
    handle: number,
    body: guestChannel.BodyWriter,
    doing: string,
    path: string,
    options: FileOptions,
    { attached = true, ...limits }: FileDownloadOptions & { readonly attached?: boolean } = {},
  ): Promise<{
    readonly answer: guestChannel.BodyReader;
    readonly bytes: AsyncGenerator<Buffer, void, undefined>;
    readonly attach: (from: number) => void;
  }> {
    const download = new FileDownload({ lane: this.#lane, buffer: this.#buffer }, handle, limits);
    let isOpen = true;
    let isSent = (): boolean => false;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      options.signal.removeEventListener("abort", close);
      download.close();
      // A transfer that the guest never heard of needs no end.
      if (isSent()) this.#abandon(handle);
    };
    // The bytes may never be asked for: the signal ends the stream either way.
    options.signal.addEventListener("abort", close);
    try {
      const begun = this.#lane.begin(op, body.finish(), options.signal);
      ({ isSent } = begun);
      if (attached) download.open();
      return {
        answer: await begun.answer,
        bytes: contents(download, close, doing, path, options),
        attach: (from) => {
          try {
            download.open(from);
          } catch (error) {
            close();
            throw error;
          }
        },
      };
    } catch (error) {
      close();
      throw fileError(error, { operation: doing, path, user: options.user ?? "root" });
    }
  }

  #abandon(handle: number): void {
    // A transfer that has ended is unknown to the guest, and one on a dead lane is gone with it.
    this.#lane.tell(operation.close, new guestChannel.BodyWriter().u32(handle).finish());
  }

  async #request(
    op: number,
    body: guestChannel.BodyWriter,
    doing: string,
    path: string,
    options: FileOptions,
  ): Promise<guestChannel.BodyReader> {
    try {
      return await this.#lane.request(op, body.finish(), options.signal);
    } catch (error) {
      throw fileError(error, { operation: doing, path, user: options.user ?? "root" });
    }
  }
}

function begin(path: string, options: FileOptions, handle?: number): guestChannel.BodyWriter {
  const body = new guestChannel.BodyWriter();
  if (handle !== undefined) body.u32(handle);
  return body.text(options.user ?? "").bytes(encodePath(path));
}

function spanOf({ start, end }: { readonly start: number; readonly end?: number }): {
  readonly start: number;
  readonly length: number | undefined;
} {
  return { start, length: end === undefined ? undefined : end - start + 1 };
}

/** Size of an open file by the answer to READ. An agent of an earlier version does not say whether it is known. */
function sizeOf({ size }: FileEntry, answer: guestChannel.BodyReader): number | undefined {
  const unmeasured = answer.left > 0 ? answer.u8() !== 0 : size === 0;
  return unmeasured ? undefined : size;
}

/**
 * Bytes of which there must be `expected`. More are never given out, and the last ones are held back until the end is known: an agent
 * of an earlier version describes the file by its name, which may lead to another one than it has opened.
 */
async function* exactly(
  bytes: AsyncGenerator<Buffer, void, undefined>,
  expected: number | undefined,
  path: string,
): AsyncGenerator<Buffer, void, undefined> {
  let length = 0;
  let held: Buffer | undefined;
  for await (const chunk of bytes) {
    length += chunk.length;
    if (expected !== undefined && length > expected) break;
    if (held) yield held;
    held = chunk;
  }
  if (expected !== undefined && length !== expected)
    throw new WrennError("file_operation_failed", {
      operation: "reading",
      path,
      problem: `it changed meanwhile: ${length} bytes instead of ${expected}`,
    });
  if (held) yield held;
}

async function* contents(
  download: FileDownload,
  close: () => void,
  doing: string,
  path: string,
  options: FileOptions,
): AsyncGenerator<Buffer, void, undefined> {
  try {
    yield* download.bytes(options.signal);
  } catch (error) {
    throw fileError(error, { operation: doing, path, user: options.user ?? "root" });
  } finally {
    close();
  }
}

/** The bytes compressed with gzip (RFC 1952). A failure of the source is one of the result; leaving early ends the source. */
function compress(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const gzip = createGzip({ level: constants.Z_BEST_SPEED });
  // Whoever iterates meets the error; the callback only says that nobody else needs to.
  pipeline(Readable.from(source, { objectMode: false }), gzip, () => {});
  return gzip;
}
