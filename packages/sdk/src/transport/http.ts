import { errorOfAnswer } from "../errors/error-of-answer.ts";
import { WrennError } from "../errors/wrenn-error.ts";
import { linkSignals, sleep } from "./abort.ts";
import { Answer } from "./answer.ts";
import { bodyOfAttempt, isRepeatable } from "./body.ts";
import type { RequestBody } from "./body.ts";
import { credentialHeaders } from "./connection.ts";
import type { ConnectionSettings } from "./connection.ts";
import { connectionFailed } from "./connection-failed.ts";
import { FETCH_LIMIT_MS, platform } from "./platform.ts";
import type { FetchUse } from "./platform.ts";
import { backoffMs } from "./retry.ts";

export type QueryValue = string | number | boolean | undefined | readonly string[];

export interface HttpRequest {
  readonly query?: Readonly<Record<string, QueryValue>> | undefined;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, as `application/octet-stream` unless `headers` say otherwise. */
  readonly body?: RequestBody | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the head of the answer; 0: no limit but that of the runtime. Default: that of the connection. */
  readonly timeoutMs?: number | undefined;
  /**
   * Whether the request may be sent again when no answer, or one of the server's temporary failures, arrived. Default: true for
   * GET, HEAD, PUT and DELETE, or with an `Idempotency-Key`. A spent one-shot body is never sent again.
   */
  readonly isSafeToRepeat?: boolean | undefined;
  /** Statuses other than 2xx that the caller handles itself. */
  readonly accept?: readonly number[] | undefined;
}

/** Requests to one server: credentials, time limits, retries and errors. */
export class HttpClient {
  /** Private: what inspection shows of an object must not have credentials. */
  readonly #settings: ConnectionSettings;
  readonly #fetch = new Map<string, Promise<typeof fetch>>();

  constructor(settings: ConnectionSettings) {
    this.#settings = settings;
  }

  get settings(): ConnectionSettings {
    return this.#settings;
  }

  /**
   * Sends a request and gives its answer once the head of it has arrived. The caller reads or closes the answer.
   *
   * @param path - begins with a slash; its parts are encoded: {@link segment}.
   * @throws WrennError of the server's refusal, `connection_failed`, or `request_timed_out`; the reason of the caller's signal.
   */
  async request(method: string, path: string, request: HttpRequest = {}): Promise<Answer> {
    return await this.read(method, path, request, async (answer) => answer);
  }

  /**
   * {@link request} with what `read` makes of its answer. A body that breaks off while it is read counts as no answer.
   *
   * @throws as {@link request}, and what `read` throws.
   */
  async read<T>(
    method: string,
    path: string,
    request: HttpRequest,
    read: (answer: Answer) => Promise<T>,
  ): Promise<T> {
    const isSafe =
      request.isSafeToRepeat ??
      (["GET", "HEAD", "PUT", "DELETE"].includes(method) || hasIdempotencyKey(request.headers));
    const canSendAgain = isRepeatable(request.body);
    for (let attempt = 1; ; attempt++) {
      try {
        return await read(await this.#attempt(method, path, request, !isSafe));
      } catch (error) {
        // The reason of an abort may look like a failure.
        request.signal?.throwIfAborted();
        if (!(error instanceof WrennError) || !error.isRetryable) throw error;
        // 429 means that nothing was carried out, whatever the method.
        const isAllowed = canSendAgain && (isSafe || error.status === 429);
        if (!isAllowed || attempt > this.settings.retries) throw error;
        const delayMs = backoffMs(attempt, error.retryAfterMs);
        this.settings.onRetry?.({ method, path, attempt, delayMs, error });
        await sleep(delayMs, request.signal);
      }
    }
  }

  /**
   * {@link request} whose answer is JSON; undefined where it has no body. Such a body is short: it may take as long as its head.
   *
   * @throws as {@link request} and `Answer.json`.
   */
  async json<T>(method: string, path: string, request: HttpRequest = {}): Promise<T> {
    const limitMs = request.timeoutMs ?? this.settings.requestTimeoutMs;
    return await this.read(method, path, request, async (answer) => {
      const timer = limitMs > 0 ? setTimeout(() => answer.close(), limitMs) : undefined;
      try {
        return await answer.json<T>();
      } finally {
        clearTimeout(timer);
      }
    });
  }

  #send(use: FetchUse): Promise<typeof fetch> {
    const key = JSON.stringify(use);
    const known = this.#fetch.get(key);
    if (known) return known;
    const made = platform().fetch(this.settings, use);
    this.#fetch.set(key, made);
    return made;
  }

  async #attempt(method: string, path: string, request: HttpRequest, isOnce: boolean): Promise<Answer> {
    const { settings } = this;
    const limitMs = request.timeoutMs ?? settings.requestTimeoutMs;
    const what = `${method} ${path}`;
    // What the caller's function for access tokens throws is the caller's, not a broken connection.
    const credentials = await credentialHeaders(settings);
    const link = linkSignals(request.signal);
    const timer = limitMs > 0 ? setTimeout(() => link.abort(timedOut(what, limitMs)), limitMs) : undefined;
    try {
      link.signal.throwIfAborted();
      const body = await bodyOfAttempt(request.body);
      const send = settings.fetch ?? (await this.#send({ isPatient: limitMs > FETCH_LIMIT_MS, isOnce }));
      const response = await send(settings.url + path + queryText(request.query), {
        method,
        headers: {
          prefer: "handling=strict",
          ...(request.json === undefined ? {} : { "content-type": "application/json" }),
          ...(body === undefined ? {} : { "content-type": "application/octet-stream" }),
          ...settings.headers,
          ...credentials,
          ...request.headers,
        },
        signal: link.signal,
        ...(request.json === undefined ? {} : { body: JSON.stringify(request.json) }),
        ...(body === undefined ? {} : { body }),
        // Required for streams by the standard; not in every runtime's types.
        ...(body instanceof ReadableStream ? { duplex: "half" as const } : {}),
      });
      const answer = new Answer(response, link, what);
      if (response.ok || request.accept?.includes(response.status) === true) return answer;
      throw errorOfAnswer(answer, await answer.text(), what);
    } catch (error) {
      link.release();
      if (error instanceof WrennError) throw error;
      if (link.signal.aborted) throw link.signal.reason;
      throw connectionFailed(what, settings.url, error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A part of a path. @throws WrennError `invalid_option` for text that would make it another path. */
export function segment(text: string): string {
  if (/^\.{0,2}$/.test(text))
    throw new WrennError({
      code: "invalid_option",
      message: `'${text}' is not an id or a name`,
      remedy: "Pass the id or the name of what is meant.",
    });
  return encodeURIComponent(text);
}

function timedOut(what: string, limitMs: number): WrennError {
  return new WrennError({
    code: "request_timed_out",
    message: `${what} was not answered within ${limitMs} ms`,
    remedy: "Check that the server runs and can be reached, or allow more time (requestTimeoutMs).",
  });
}

function hasIdempotencyKey(headers: HttpRequest["headers"]): boolean {
  return Object.keys(headers ?? {}).some((name) => name.toLowerCase() === "idempotency-key");
}

function queryText(query: HttpRequest["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue;
    for (const item of typeof value === "object" ? value : [String(value)]) parameters.append(name, item);
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}
