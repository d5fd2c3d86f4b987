import { isWrennError, WrennError } from "../errors/wrenn-error.ts";
import { linkSignals } from "../transport/abort.ts";
import { connectionLost } from "../transport/answer.ts";
import type { Answer } from "../transport/answer.ts";
import type { HttpClient, HttpRequest } from "../transport/http.ts";
import { invalidOption } from "../transport/options.ts";
import { resume } from "../transport/resumable.ts";
import type { DownloadOptions, FileDownload } from "./file-options.ts";

/** Where and how {@link downloadFile} reads a file. */
export interface DownloadSource {
  readonly http: HttpClient;
  /** Path of the request, with its query. */
  readonly path: string;
  /** How messages name the file. */
  readonly name: string;
  readonly call: string;
  readonly options: DownloadOptions;
  /** Milliseconds until the answer begins. Default: that of the connection. */
  readonly timeoutMs?: number;
}

/**
 * Opens a file. Its stream resumes over broken connections as long as the file is the same, and ends only when all bytes have
 * arrived.
 *
 * @throws WrennError of the server, `file_changed`; the stream also `stream_lost`, whose details say where a later download goes on.
 */
export async function downloadFile(source: DownloadSource): Promise<FileDownload> {
  const { call, options } = source;
  const { from = 0, onProgress, signal } = options;
  if (!Number.isSafeInteger(from) || from < 0) throw invalidOption(call, "from", "must be a number of bytes");
  const link = linkSignals(signal);
  try {
    const download = new Download(source, link.signal);
    await download.open();
    const chunks = download.chunks();
    const progress = download.size === undefined ? {} : { totalBytes: download.size };
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        pull: async (controller) => {
          try {
            const { done, value } = await chunks.next();
            if (done === true) {
              link.release();
              return controller.close();
            }
            controller.enqueue(value);
            onProgress?.({ transferredBytes: download.offset, ...progress });
          } catch (error) {
            link.abort(error);
            link.release();
            throw error;
          }
        },
        cancel: (reason) => {
          link.abort(reason ?? new Error("the download was cancelled"));
          link.release();
        },
      },
      { highWaterMark: 0 },
    );
    return Object.assign(stream, { size: download.size, version: download.version });
  } catch (error) {
    link.release();
    throw error;
  }
}

/** The whole of a stream. `size` is what it probably has. */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  size: number | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const reader = stream.getReader();
  let bytes = new Uint8Array(size ?? 0);
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return bytes.subarray(0, length);
    if (length + value.length > bytes.length) {
      const larger = new Uint8Array(Math.max(2 * bytes.length, length + value.length));
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(value, length);
    length += value.length;
  }
}

class Download {
  readonly #source: DownloadSource;
  readonly #signal: AbortSignal;
  /** The answer whose body has not been read. */
  #answer: Answer | undefined;
  /** Where the next byte is in the file. */
  offset: number;
  size: number | undefined;
  version: string | undefined;

  constructor(source: DownloadSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    this.offset = source.options.from ?? 0;
    this.version = source.options.version;
  }

  async open(): Promise<void> {
    const { call, name } = this.#source;
    const answer = await this.#request(this.#signal, {});
    const { headers, status } = answer;
    try {
      if (status === 416) {
        // Nothing is missing where the file ends there.
        this.size = Number(/^bytes \*\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1]);
        if (this.offset !== this.size)
          throw invalidOption(call, "from", `is ${this.offset}, but ${name} has ${this.size} bytes`);
        return answer.close();
      }
      if (this.offset > 0 && status !== 206)
        throw invalidOption(call, "from", `cannot be used: ${name} has no size before it is read`);
      this.size = sizeOf(answer, this.offset);
      if (status === 206 && this.size === undefined) throw otherBytes(answer);
      this.version = this.size === undefined ? undefined : (headers.get("etag") ?? undefined);
      this.#answer = answer;
    } catch (error) {
      answer.close();
      throw error;
    }
  }

  /** The rest of the file. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { http, name, path } = this.#source;
    if (!this.#answer) return;
    const { settings } = http;
    const { version } = this;
    try {
      yield* resume({
        what: `the download of ${name}`,
        path: path.replace(/\?.*/, ""),
        open: (signal) => this.#rest(signal),
        // What has no version cannot be continued.
        settings: version === undefined ? { ...settings, resumeMs: 0 } : settings,
        signal: this.#signal,
        hasBegun: true,
      });
    } catch (error) {
      if (!isWrennError(error, "stream_lost")) throw error;
      const { cause } = error as WrennError;
      if (version === undefined) throw cause;
      const { message, code, remedy, requestId } = error;
      const details = { from: this.offset, version };
      throw new WrennError({ code, message, remedy, requestId, details }, { cause: error });
    }
  }

  async *#rest(signal: AbortSignal): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { name } = this.#source;
    // What is resumed is repeated there.
    const answer = this.#answer ?? (await this.#request(signal, { isSafeToRepeat: false }));
    this.#answer = undefined;
    // The first answer does not follow this signal.
    const onAbort = (): void => answer.close();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (this.version !== undefined && sizeOf(answer, this.offset) !== this.size) throw fileChanged(name);
      for await (const chunk of answer.chunks()) {
        this.offset += chunk.length;
        yield chunk as Uint8Array<ArrayBuffer>;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      answer.close();
    }
    if (this.size !== undefined && this.offset !== this.size)
      throw connectionLost(answer.what, new Error(`${this.offset} of ${this.size} bytes arrived`));
  }

  /** Asks for the file from the offset on. @throws WrennError `file_changed` for another version than the known one. */
  async #request(signal: AbortSignal, more: Pick<HttpRequest, "isSafeToRepeat">): Promise<Answer> {
    const { http, path, name, timeoutMs } = this.#source;
    const { offset, version } = this;
    const answer = await http.request("GET", path, {
      headers: {
        // Lengths and ranges are those of the file itself; browsers do not let this be set.
        "accept-encoding": "identity",
        ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
        ...(offset > 0 && version !== undefined ? { "if-range": version } : {}),
      },
      signal,
      accept: [416],
      timeoutMs,
      ...more,
    });
    if (version === undefined || answer.headers.get("etag") === version) return answer;
    answer.close();
    throw fileChanged(name);
  }
}

/** Size of the whole file, of whose bytes from `offset` on this is the answer; undefined where the answer does not say. */
function sizeOf({ headers, status }: Answer, offset: number): number | undefined {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity") return undefined;
  if (status !== 206) {
    const length = headers.get("content-length");
    return length === null ? undefined : Number(length);
  }
  const [, start, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  return Number(start) === offset ? Number(size) : undefined;
}

function otherBytes({ what, status }: Answer): WrennError {
  return new WrennError({
    code: "invalid_answer",
    status,
    message: `${what} was answered with other bytes than those that were asked for`,
    remedy: "Check what proxies between here and the server answer.",
  });
}

function fileChanged(name: string): WrennError {
  return new WrennError({
    code: "file_changed",
    message: `${name} has changed since its download began`,
    remedy: "Begin the download again.",
  });
}
