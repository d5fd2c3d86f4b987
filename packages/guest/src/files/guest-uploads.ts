import { createHash } from "node:crypto";
import { constants } from "node:os";
import { defined, textOfBytes, WrennError } from "@wrenn/core";
import { guestChannel, UPLOAD_LIMIT } from "@wrenn/protocol";
import type {
  AppendedUpload,
  AppendOptions,
  CapsuleUploads,
  FileOptions,
  NewUpload,
  UploadOptions,
  UploadState,
  WriteOptions,
} from "@wrenn/protocol";
import { GuestRefusal } from "../lane/guest-refusal.ts";
import type { Lane } from "../lane/lane.ts";
import type { CapsuleBuffer } from "../memory/capsule-buffer.ts";
import { OutboundStream, StreamRefused } from "../lane/outbound-stream.ts";
import { fileError } from "../refusal-to-error.ts";
import { readEntry } from "./entry.ts";
import { encodePath } from "./names.ts";
import { reserveUpload } from "./upload-room.ts";
import { conditionError, requestWrite } from "./write-request.ts";

const { operation, status } = guestChannel;
const { errno } = constants;
/** What agents answer to an operation that is not theirs. */
const UNKNOWN_OPERATION = "unknown operation";
/** How long bytes of content that broke off may take to the guest. */
const SETTLE_MS = 10_000;

export interface GuestUploadsDeps {
  readonly lane: Lane;
  /** The memory of the capsule. */
  readonly buffer: CapsuleBuffer;
  readonly nextHandle: () => number;
}

/** What errors of an upload name. */
interface UploadContext {
  readonly id: string;
  readonly path: string;
  readonly user?: string;
}

/** Uploads in one guest that can be continued, over the bulk lane. The guest keeps their bytes and where each one stands. */
export class GuestUploads implements CapsuleUploads {
  readonly #deps: GuestUploadsDeps;
  readonly #lifetimeMs: number;

  constructor(deps: GuestUploadsDeps, lifetimeMs: number) {
    this.#deps = deps;
    this.#lifetimeMs = lifetimeMs;
  }

  async create({ id, path, size }: NewUpload, options: FileOptions & WriteOptions): Promise<UploadState> {
    const { user, signal } = options;
    const begin = (): guestChannel.BodyWriter =>
      new guestChannel.BodyWriter()
        .text(id)
        .u64(size)
        .u64(this.#lifetimeMs)
        .text(user ?? "")
        .bytes(encodePath(path));
    try {
      const { answer } = await requestWrite(options, (append) =>
        this.#deps.lane.request(operation.uploadCreate, append(begin()).finish(), signal),
      );
      return readState(answer);
    } catch (error) {
      const isUnknown = error instanceof GuestRefusal && error.message === UNKNOWN_OPERATION;
      const known = isUnknown ? error : conditionError(error, options, path);
      throw uploadError(known, { id, path, ...defined({ user }) });
    }
  }

  async state(id: string, { signal }: UploadOptions): Promise<UploadState> {
    const body = new guestChannel.BodyWriter().text(id);
    return readState(await this.#request(operation.uploadState, body, { id, path: "" }, signal));
  }

  async append(
    id: string,
    offset: number,
    content: AsyncIterable<Uint8Array>,
    { sha256, signal }: UploadOptions & AppendOptions,
  ): Promise<AppendedUpload> {
    const { lane, buffer, nextHandle } = this.#deps;
    using room = reserveUpload(buffer);
    const handle = nextHandle();
    const begin = new guestChannel.BodyWriter().u32(handle).text(id).u64(offset);
    const { path, size } = readState(
      await this.#request(operation.uploadWrite, begin, { id, path: "" }, signal),
    );
    const stream = new OutboundStream(lane, guestChannel.streamId(handle, guestChannel.stream.input), 0);
    stream.resume();
    const hash = createHash("sha256");
    let sent = 0;
    try {
      for await (const chunk of content) {
        signal.throwIfAborted();
        if (sent + chunk.length > size - offset) throw new WrennError("upload_too_long", { size });
        if (sha256 !== undefined) hash.update(chunk);
        sent += chunk.length;
        await stream.write(chunk, room.backlog, signal);
      }
      await stream.write(new Uint8Array(), 0, signal);
      const actual = hash.digest("base64");
      if (sha256 !== undefined && sha256 !== actual)
        throw new WrennError("content_digest_mismatch", { actual });
      const answer = await this.#finish(handle, sent, true, signal);
      const state = { offset: answer.u64(), expiresInMs: answer.u64() };
      return answer.u8() === 0 ? state : { ...state, entry: readEntry(answer) };
    } catch (error) {
      await this.#settle(stream, handle, WrennError.is(error, "content_digest_mismatch") ? 0 : sent);
      throw uploadError(error, { id, path });
    } finally {
      stream.remove();
    }
  }

  async abandon(id: string, { signal }: UploadOptions): Promise<void> {
    const body = new guestChannel.BodyWriter().text(id);
    await this.#request(operation.uploadDrop, body, { id, path: "" }, signal);
  }

  /** Lets what was sent arrive, of which the guest keeps `count` bytes, whatever happened to the request that sent it. */
  async #settle(stream: OutboundStream, handle: number, count: number): Promise<void> {
    const signal = AbortSignal.timeout(SETTLE_MS);
    try {
      await stream.write(new Uint8Array(), 0, signal);
    } catch {
      // The guest takes no more; it knows how much it has.
    }
    try {
      await this.#finish(handle, count, false, signal);
    } catch {
      // Already finished, or not to be reached: then closing keeps what has arrived.
      const close = new guestChannel.BodyWriter().u32(handle);
      this.#deps.lane.tell(operation.close, close.finish());
    }
  }

  async #finish(
    handle: number,
    count: number,
    commit: boolean,
    signal: AbortSignal,
  ): Promise<guestChannel.BodyReader> {
    const body = new guestChannel.BodyWriter()
      .u32(handle)
      .u64(count)
      .u8(commit ? 1 : 0);
    return await this.#deps.lane.request(operation.uploadFinish, body.finish(), signal);
  }

  async #request(
    op: number,
    body: guestChannel.BodyWriter,
    context: UploadContext,
    signal: AbortSignal,
  ): Promise<guestChannel.BodyReader> {
    try {
      return await this.#deps.lane.request(op, body.finish(), signal);
    } catch (error) {
      throw uploadError(error, context);
    }
  }
}

function readState(answer: guestChannel.BodyReader): UploadState {
  return {
    path: textOfBytes(answer.bytes()),
    size: answer.u64(),
    offset: answer.u64(),
    expiresInMs: answer.u64(),
  };
}

function uploadError(error: unknown, { id, path, user = "root" }: UploadContext): unknown {
  if (error instanceof StreamRefused && error.status === errno.ECANCELED)
    return new WrennError("upload_not_found", { upload: id }, { cause: error });
  if (!(error instanceof GuestRefusal)) return fileError(error, { operation: "uploading", path, user });
  const cause = { cause: error };
  switch (error.status) {
    case status.unknownHandle:
      return new WrennError("upload_not_found", { upload: id }, cause);
    case status.offsetDiffers:
      return new WrennError("upload_offset_differs", { offset: Number(error.message) || 0 }, cause);
    case status.conditionFailed:
      return new WrennError("precondition_failed", { path }, cause);
    case errno.EALREADY:
      return new WrennError("upload_in_use", { upload: id }, cause);
    case status.busy:
      return new WrennError("too_many_uploads", { limit: UPLOAD_LIMIT }, cause);
    case status.badRequest:
      // An agent of an earlier version, in a capsule that was paused or took its memory along.
      if (error.message === UNKNOWN_OPERATION) return new WrennError("uploads_unsupported", {}, cause);
      break;
    default:
  }
  return fileError(error, { operation: "uploading", path, user });
}
