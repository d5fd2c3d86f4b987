import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, sleep } from "./abort.ts";
import { problemOf } from "./answer.ts";
import type { ConnectionSettings } from "./connection.ts";
import { backoffMs } from "./retry.ts";

/** A stream that the server can continue where a connection broke off. */
export interface ResumableStream<T> {
  /** What messages call it, such as `the output of process sdk-1`. */
  readonly what: string;
  /** Path of its request, for `onRetry`. */
  readonly path: string;
  /**
   * Opens the stream behind the last item that it gave. Undefined stands for a heartbeat, and for any other sign that the
   * connection lives. Returns at the end of the stream; throws a retryable {@link WrennError} when the connection breaks. A server
   * that closes ends its bodies in good order: a body without a mark of its end is a broken connection, too.
   */
  readonly open: (signal: AbortSignal) => AsyncIterable<T | undefined>;
  readonly settings: Pick<ConnectionSettings, "silenceMs" | "resumeMs" | "onRetry">;
  readonly signal?: AbortSignal | undefined;
  /** The stream is known to exist, so that a failure of the first `open` is resumed, too. Default: false. */
  readonly hasBegun?: boolean | undefined;
}

/** A connection that lived this long has made progress, even if nothing but heartbeats arrived. */
const STEADY_MS = 1000;
/** Most milliseconds between two attempts: what reads the stream is waiting for a server that is back. */
const MOST_DELAY_MS = 3000;

/**
 * The items of a stream, over as many connections as it takes. A connection that is silent for `silenceMs` while an item is awaited
 * counts as broken. A broken one is resumed until no connection has made progress for `resumeMs`.
 *
 * @throws WrennError `stream_lost`; what `open` throws that is not retryable; the reason of the signal.
 */
export async function* resume<T>(stream: ResumableStream<T>): AsyncGenerator<T, void, undefined> {
  const { what, path, settings, signal } = stream;
  let hasBegun = stream.hasBegun === true;
  let attempt = 0;
  let brokenSince = performance.now();
  for (;;) {
    const link = linkSignals(signal);
    const connection = new Connection(stream, link.abort);
    try {
      yield* connection.items(link.signal);
      return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof WrennError) || !error.isRetryable) throw error;
      hasBegun ||= connection.isOpen;
      if (!hasBegun) throw error;
      const now = performance.now();
      if (connection.isProgress(now)) [attempt, brokenSince] = [0, now];
      if (now - brokenSince >= settings.resumeMs) throw streamLost(what, settings.resumeMs, error);
      attempt++;
      const delayMs = Math.min(backoffMs(attempt, error.retryAfterMs), MOST_DELAY_MS, settings.resumeMs);
      settings.onRetry?.({ method: "GET", path, attempt, delayMs, error });
      await sleep(delayMs, signal);
    } finally {
      link.release();
    }
  }
}

/** One connection of a stream, and what is known of its life. */
class Connection<T> {
  readonly #stream: ResumableStream<T>;
  readonly #abort: (reason: WrennError) => void;
  #openedAt: number | undefined;
  #lastAt = 0;
  #hasItems = false;
  #isSilent = false;

  constructor(stream: ResumableStream<T>, abort: (reason: WrennError) => void) {
    this.#stream = stream;
    this.#abort = abort;
  }

  get isOpen(): boolean {
    return this.#openedAt !== undefined;
  }

  /** Silence is no life: a proxy that keeps heartbeats back must not be resumed indefinitely. */
  isProgress(now: number): boolean {
    if (this.#hasItems || this.#openedAt === undefined) return this.#hasItems;
    return (this.#isSilent ? this.#lastAt : now) - this.#openedAt >= STEADY_MS;
  }

  async *items(signal: AbortSignal): AsyncGenerator<T, void, undefined> {
    const iterator = this.#stream.open(signal)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { done, value } = await this.#next(iterator);
        if (done === true) return;
        this.#lastAt = performance.now();
        this.#openedAt ??= this.#lastAt;
        if (value === undefined) continue;
        this.#hasItems = true;
        yield value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** A consumer may take its time: silence counts only while something is awaited. */
  async #next(iterator: AsyncIterator<T | undefined>): Promise<IteratorResult<T | undefined, unknown>> {
    const { what, settings } = this.#stream;
    const timer = setTimeout(() => {
      this.#isSilent = true;
      this.#abort(silent(what, settings.silenceMs));
    }, settings.silenceMs);
    try {
      return await iterator.next();
    } finally {
      clearTimeout(timer);
    }
  }
}

function silent(what: string, silenceMs: number): WrennError {
  return new WrennError({
    code: "connection_lost",
    message: `nothing arrived of ${what} for ${silenceMs} ms`,
    remedy: "Check the network between here and the server, or allow more silence (silenceMs).",
  });
}

function streamLost(what: string, resumeMs: number, cause: WrennError): WrennError {
  return new WrennError(
    {
      code: "stream_lost",
      message: `${what} broke off and could not be resumed for ${resumeMs} ms: ${problemOf(cause)}`,
      remedy: "Check that the server runs and can be reached, or allow more time (resumeMs).",
      requestId: cause.requestId,
    },
    { cause },
  );
}
