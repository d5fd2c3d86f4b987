import { isWrennError, WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, orAborted, sleep } from "../transport/abort.ts";
import { problemOf } from "../transport/answer.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present } from "../transport/options.ts";
import { backoffMs } from "../transport/retry.ts";
import { digestHeader } from "./content-digest.ts";
import { entryOf } from "./file-entry.ts";
import type { EntryJson, FileEntry } from "./file-entry.ts";
import type { UploadOptions } from "./file-options.ts";
import { modeText } from "./file-path.ts";
import { piecesOf } from "./upload-source.ts";
import type { Pieces, UploadSource } from "./upload-source.ts";

const CALL = "files.upload";
const CHUNK_BYTES = 4 << 20;
/** How long a call that failed waits until its upload is gone. */
const ABANDON_MS = 2000;
/** Refusals after which the upload stands elsewhere, or is in the hands of the request that broke. */
const RECOVERABLE = new Set(["upload_in_use", "upload_offset_differs", "content_digest_mismatch"]);

/** Where {@link uploadFile} sends a file. */
export interface UploadTarget {
  readonly http: HttpClient;
  /** Path of the routes of files. */
  readonly base: string;
  readonly path: string;
  /** The file that is there, if it has this size. */
  readonly find: (size: number, signal: AbortSignal) => Promise<FileEntry | undefined>;
  readonly options: UploadOptions;
}

/**
 * Uploads a file in pieces, each with its digest. A piece that broke off is continued where it stands.
 *
 * @throws WrennError of the server; `stream_lost`, `body_spent`, `invalid_option`; what the data or the callback throws.
 */
export async function uploadFile(target: UploadTarget, source: UploadSource): Promise<FileEntry> {
  const { signal, size, chunkBytes = CHUNK_BYTES, keepUnfinished = false } = target.options;
  const pieces = piecesOf(source, size, chunkBytes);
  const link = linkSignals(signal);
  const upload = new Upload(target, pieces, link.signal);
  try {
    return await upload.run();
  } catch (error) {
    if (!keepUnfinished && !isWrennError(error, "stream_lost")) await upload.abandon();
    throw error;
  } finally {
    pieces.close();
    link.release();
  }
}

/** An upload as the server describes it. */
interface UploadJson {
  readonly id: string;
  readonly size: number;
  readonly offset: number;
}

class Upload {
  readonly #target: UploadTarget;
  readonly #pieces: Pieces;
  readonly #signal: AbortSignal;
  #id: string | undefined;
  #offset = 0;
  /** The last piece was sent and its answer is not known. */
  #isPerhapsComplete = false;
  #attempt = 0;
  #brokenSince = 0;

  constructor(target: UploadTarget, pieces: Pieces, signal: AbortSignal) {
    this.#target = target;
    this.#pieces = pieces;
    this.#signal = signal;
  }

  async run(): Promise<FileEntry> {
    const { resume } = this.#target.options;
    const { size } = this.#pieces;
    this.#signal.throwIfAborted();
    const begun = resume === undefined ? await this.#begin() : await this.#state(resume);
    this.#id = begun.id;
    if (begun.size !== size)
      throw invalidOption(CALL, "size", `is ${size} bytes, but the upload has ${begun.size}`);
    this.#offset = begun.offset;
    this.#report();
    for (;;) {
      const piece = await orAborted(this.#pieces.at(this.#offset), this.#signal);
      const entry = await this.#append(begun.id, piece);
      this.#report();
      if (entry) return entry;
    }
  }

  /** Frees what arrived, if the server can be reached. */
  async abandon(): Promise<void> {
    if (this.#id === undefined) return;
    const { http, base } = this.#target;
    try {
      await http.json("DELETE", `${base}/uploads/${segment(this.#id)}`, {
        timeoutMs: ABANDON_MS,
        isSafeToRepeat: false,
      });
    } catch {
      // It vanishes a day later.
    }
  }

  async #begin(): Promise<UploadJson> {
    const { http, base, path, options } = this.#target;
    const { mode, user, overwrite = true } = options;
    return await http.json<UploadJson>("POST", `${base}/uploads`, {
      json: { path, size: this.#pieces.size, ...present({ mode: modeText(CALL, mode), user }) },
      headers: overwrite ? {} : { "if-none-match": "*" },
      signal: this.#signal,
      // An upload without bytes that no one knows of vanishes.
      isSafeToRepeat: true,
    });
  }

  async #state(id: string, isSafeToRepeat = true): Promise<UploadJson> {
    const { http, base } = this.#target;
    const path = `${base}/uploads/${segment(id)}`;
    return await http.json<UploadJson>("GET", path, { signal: this.#signal, isSafeToRepeat });
  }

  /** With the last piece the file takes its place: its entry. */
  async #send(id: string, piece: Uint8Array<ArrayBuffer>): Promise<FileEntry | undefined> {
    const { http, base } = this.#target;
    const answer = await http.json<{ entry: EntryJson } | undefined>(
      "PATCH",
      `${base}/uploads/${segment(id)}`,
      {
        body: piece,
        headers: {
          "content-type": "application/offset+octet-stream",
          "upload-offset": String(this.#offset),
          ...(await digestHeader(piece)),
        },
        signal: this.#signal,
      },
    );
    return answer && entryOf(answer.entry);
  }

  /** Sends a piece, and finds out where the upload stands then. An entry: it is complete. */
  async #append(id: string, piece: Uint8Array<ArrayBuffer>): Promise<FileEntry | undefined> {
    try {
      const entry = await this.#send(id, piece);
      this.#offset += piece.length;
      this.#attempt = 0;
      return entry;
    } catch (error) {
      // Some runtimes send a request again by themselves, which then finds no upload.
      const isUnknown = error instanceof WrennError && (error.isRetryable || error.status === 404);
      if (isUnknown && this.#offset + piece.length === this.#pieces.size) this.#isPerhapsComplete = true;
      return await this.#recover(id, error);
    }
  }

  /** Waits until the server says where the upload stands. An entry: the answer that was lost was that of the last piece. */
  async #recover(id: string, failure: unknown): Promise<FileEntry | undefined> {
    let error = failure;
    for (;;) {
      if (this.#isPerhapsComplete && isWrennError(error, "upload_not_found")) {
        const entry = await this.#target.find(this.#pieces.size, this.#signal);
        if (entry) return entry;
      }
      if (!isRecoverable(error)) throw error;
      await this.#pause(id, error);
      try {
        const { offset } = await this.#state(id, false);
        if (offset > this.#offset) this.#attempt = 0;
        this.#offset = offset;
        return undefined;
      } catch (problem) {
        error = problem;
      }
    }
  }

  /** @throws WrennError `stream_lost` when nothing has arrived for `resumeMs`. */
  async #pause(id: string, error: WrennError): Promise<void> {
    const { base, path, http } = this.#target;
    const { resumeMs, onRetry } = http.settings;
    this.#signal.throwIfAborted();
    const now = performance.now();
    if (this.#attempt === 0) this.#brokenSince = now;
    const leftMs = this.#brokenSince + resumeMs - now;
    if (leftMs <= 0)
      throw new WrennError(
        {
          code: "stream_lost",
          message: `the upload of ${path} broke off and could not be resumed for ${resumeMs} ms: ${problemOf(error)}`,
          remedy: "Check that the server runs and can be reached, then call files.upload with resume.",
          requestId: error.requestId,
          details: { uploadId: id, offset: this.#offset },
        },
        { cause: error },
      );
    this.#attempt++;
    const delayMs = Math.min(backoffMs(this.#attempt, error.retryAfterMs), leftMs);
    onRetry?.({
      method: "PATCH",
      path: `${base}/uploads/${id}`,
      attempt: this.#attempt,
      delayMs,
      error,
    });
    await sleep(delayMs, this.#signal);
  }

  #report(): void {
    const progress = { transferredBytes: this.#offset, totalBytes: this.#pieces.size };
    if (this.#id !== undefined) this.#target.options.onProgress?.({ ...progress, uploadId: this.#id });
  }
}

function isRecoverable(error: unknown): error is WrennError {
  return error instanceof WrennError && (error.isRetryable || RECOVERABLE.has(error.reason));
}
