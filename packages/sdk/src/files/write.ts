import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals } from "../transport/abort.ts";
import type { AbortLink } from "../transport/abort.ts";
import type { HttpClient } from "../transport/http.ts";
import { digestHeader } from "./content-digest.ts";
import { bodySpent, inMemory, isStream, readerOf, sizeOf } from "./file-data.ts";
import type { ChunkReader, FileData } from "./file-data.ts";
import { entryOf } from "./file-entry.ts";
import type { EntryJson, FileEntry } from "./file-entry.ts";
import type { WriteOptions } from "./file-options.ts";

const CALL = "files.write";
/** Larger data is sent as a stream, which shows how far it is and whether it moves. */
const AT_ONCE = 1 << 20;

/** Where and how {@link writeFile} sends a file. */
export interface WriteTarget {
  readonly http: HttpClient;
  /** Path of the request, with its query. */
  readonly path: string;
  readonly options: WriteOptions;
}

/**
 * Writes a file in one request.
 *
 * @throws WrennError of the server; `body_spent` when a stream would have to be sent again; what the data or the callback throws.
 */
export async function writeFile(
  { http, path, options }: WriteTarget,
  data: FileData | (() => FileData | Promise<FileData>),
): Promise<FileEntry> {
  const { overwrite = true, onProgress, signal } = options;
  const link = linkSignals(signal);
  const transfer = new Transfer(link, http.settings.requestTimeoutMs, onProgress);
  const request = { headers: overwrite ? {} : { "if-none-match": "*" }, signal: link.signal };
  const send = async (more: object): Promise<FileEntry> => {
    const answer = await http.request("PUT", path, { ...request, ...more });
    return entryOf((await answer.json<{ entry: EntryJson }>()).entry);
  };
  // A repeated request would find the file of the first one.
  const isSafeToRepeat = overwrite;
  try {
    if (typeof data === "function" || isStream(data)) {
      requireRequestStreams(http.settings.url);
      const isOnce = isStream(data);
      const body = isOnce
        ? transfer.streamOf(data)
        : () => transfer.orFail(async () => transfer.streamOf(await data()));
      try {
        return await send({ body, timeoutMs: 0, isSafeToRepeat });
      } catch (error) {
        if (isOnce && transfer.hasBegun && error instanceof WrennError && error.isRetryable)
          throw bodySpent(CALL, error);
        throw error;
      }
    }
    const content = inMemory(CALL, data);
    const size = sizeOf(content);
    const digest = content instanceof Blob ? {} : await digestHeader(content);
    const headers = { ...request.headers, ...digest };
    if (size > AT_ONCE && canStreamRequests(http.settings.url))
      return await send({ headers, body: () => transfer.streamOf(content), timeoutMs: 0, isSafeToRepeat });
    const entry = await send({
      headers,
      body: content,
      ...(size > AT_ONCE ? { timeoutMs: 0 } : {}),
      isSafeToRepeat,
    });
    onProgress?.({ transferredBytes: size, totalBytes: size });
    return entry;
  } finally {
    transfer.close();
    link.release();
  }
}

/** The bodies of a write's attempts. */
class Transfer {
  readonly #link: AbortLink;
  readonly #stallMs: number;
  readonly #onProgress: WriteOptions["onProgress"];
  #reader: ChunkReader | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  /** Whether bytes of the data have been taken. */
  hasBegun = false;

  constructor(link: AbortLink, stallMs: number, onProgress: WriteOptions["onProgress"]) {
    this.#link = link;
    this.#stallMs = stallMs;
    this.#onProgress = onProgress;
  }

  /** The body of an attempt. Nothing is read ahead of the connection. */
  streamOf(data: FileData): ReadableStream<Uint8Array> {
    this.close();
    const content = isStream(data) ? data : inMemory(CALL, data);
    const total = isStream(content) ? {} : { totalBytes: sizeOf(content) };
    const reader = readerOf(CALL, content);
    this.#reader = reader;
    let transferredBytes = 0;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: (controller) =>
          this.orFail(async () => {
            this.hasBegun = true;
            // The data may take its time.
            clearTimeout(this.#watch);
            let chunk = await reader.next();
            // An empty chunk would end a body in pieces.
            while (chunk?.length === 0) chunk = await reader.next();
            if (reader !== this.#reader) return;
            if (chunk === undefined) {
              this.#expectProgress(2);
              return controller.close();
            }
            transferredBytes += chunk.length;
            this.#expectProgress(1);
            controller.enqueue(chunk);
            this.#onProgress?.({ transferredBytes, ...total });
          }),
        // The connection broke, perhaps while the data is awaited.
        cancel: () => {
          if (reader === this.#reader) this.close();
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** An error of the caller's data or callback rejects the call as it is, and breaks off the request. */
  async orFail<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.#link.abort(error);
      throw error;
    }
  }

  /** What was refused before its end is not sent to its end: the connection is broken off. */
  close(): void {
    clearTimeout(this.#watch);
    this.#reader?.close();
    this.#reader = undefined;
    this.#controller?.error(new Error("the request has ended"));
  }

  /** The connection has to take the next piece, or after the last one to answer, in time. */
  #expectProgress(times: number): void {
    const limitMs = this.#stallMs * times;
    if (limitMs === 0) return;
    this.#watch = setTimeout(() => this.#link.abort(stalled(limitMs)), limitMs);
  }
}

function stalled(limitMs: number): WrennError {
  return new WrennError({
    code: "request_timed_out",
    message: `${CALL}: the connection took no bytes for ${limitMs} ms`,
    remedy: "Check that the server runs and can be reached, or allow more time (requestTimeoutMs).",
  });
}

/** @throws WrennError `unsupported_runtime`. */
function requireRequestStreams(url: string): void {
  if (canStreamRequests(url)) return;
  throw new WrennError({
    code: "unsupported_runtime",
    message: `${CALL}: this runtime cannot send streams`,
    remedy: "Use files.upload with a size, or pass a Blob.",
  });
}

/**
 * Whether requests can have streams as bodies: not in every browser, and in none of them over HTTP/1.1
 * (https://developer.chrome.com/docs/capabilities/web-apis/fetch-streaming-requests).
 */
function canStreamRequests(url: string): boolean {
  const isPage = "document" in globalThis && !("process" in globalThis);
  if (isPage && url.startsWith("http:")) return false;
  let isHalfDuplex = false;
  const probe: RequestInit & { readonly duplex: "half" } = {
    method: "POST",
    body: new ReadableStream(),
    get duplex() {
      isHalfDuplex = true;
      return "half" as const;
    },
  };
  try {
    // Without streams the body becomes text, which has a type.
    return !new Request(url, probe).headers.has("content-type") && (isHalfDuplex || !isPage);
  } catch {
    return false;
  }
}
