import { isWrennError, WrennError } from "../errors/wrenn-error.ts";
import { sleep } from "../transport/abort.ts";
import { backoffMs } from "../transport/retry.ts";
import { toBase64 } from "./base64.ts";
import type { ProcessApi } from "./process-api.ts";
import { stdinParts } from "./stdin-source.ts";
import type { StdinData, StdinSource } from "./stdin-source.ts";

/** Bytes of a request. More is split. */
const PART_BYTES = 512 << 10;
/** The server answers after 10 s when the process does not read. */
const ANSWER_MS = 30_000;
/** Between requests of which the process took nothing. */
const PAUSE_MS = 100;
const NOTHING = new Uint8Array(0);

/**
 * Standard input of a process. Every byte arrives once, in the order of the calls: each request names the place of its first byte in
 * the whole input, so that the server skips what a repetition brings again.
 */
export class ProcessInput {
  readonly #api: ProcessApi;
  readonly #selector: string;
  /** How many bytes the process has been given; undefined until it is known. */
  #offset: number | undefined;
  #tail: Promise<void> = Promise.resolve();

  /** @param offset - how many bytes of input were given before; undefined when others may have given some. */
  constructor(api: ProcessApi, selector: string, offset: number | undefined) {
    this.#api = api;
    this.#selector = selector;
    this.#offset = offset;
  }

  /**
   * Resolves when the capsule has taken all of `data`. A process that does not read is waited for.
   *
   * @throws WrennError `stdin_closed`, `process_not_found`, or what breaks the connection for `resumeMs`; the signal's reason, with
   * bytes that were taken before.
   */
  async write(data: StdinData, signal?: AbortSignal): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    await this.#inTurn(async () => {
      for (let at = 0; at < bytes.length; at += PART_BYTES)
        await this.#send(bytes.subarray(at, at + PART_BYTES), false, signal);
    });
  }

  /** Closes standard input behind everything that was written. Can be repeated. */
  async close(signal?: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      try {
        await this.#send(NOTHING, true, signal);
      } catch (error) {
        if (!isWrennError(error, "stdin_closed")) throw error;
      }
    });
  }

  /**
   * Writes everything that `source` gives, then closes. A process that has ended, or has closed its input, ends it without an error,
   * as with a pipe.
   *
   * @throws what the source throws, and what {@link write} throws otherwise.
   */
  async pump(source: StdinSource, signal: AbortSignal): Promise<void> {
    try {
      for await (const data of stdinParts(source, signal)) await this.write(data, signal);
      await this.close(signal);
    } catch (error) {
      if (!isWrennError(error, "stdin_closed") && !isWrennError(error, "process_not_found")) throw error;
    }
  }

  /** Calls are carried out one after the other; a failed one does not stop the next. */
  async #inTurn(call: () => Promise<void>): Promise<void> {
    const turn = this.#tail.then(call);
    this.#tail = turn.catch(() => undefined);
    await turn;
  }

  async #send(part: Uint8Array, close: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { settings } = this.#api.http;
    const path = this.#api.path(this.#selector, "/input");
    const base = this.#offset ?? (await this.#givenBefore(signal));
    // Until the server has answered: what is given up may have been taken in part.
    this.#offset = undefined;
    let taken = 0;
    let brokenSince: number | undefined;
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        await this.#post(path, part.subarray(taken), base + taken, close, signal);
        this.#offset = base + part.length;
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof WrennError)) throw error;
        if (error.reason === "input_not_read") {
          // The server has waited for the process: the next request waits on.
          const accepted = Number(error.details["accepted"] ?? 0);
          if (accepted === 0) await sleep(PAUSE_MS, signal);
          taken += accepted;
          [attempt, brokenSince] = [0, undefined];
          continue;
        }
        brokenSince ??= performance.now();
        if (!error.isRetryable || performance.now() - brokenSince >= settings.resumeMs) throw error;
        const delayMs = backoffMs(attempt, error.retryAfterMs);
        settings.onRetry?.({ method: "POST", path, attempt, delayMs, error });
        await sleep(delayMs, signal);
      }
    }
  }

  async #post(
    path: string,
    bytes: Uint8Array,
    offset: number,
    close: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const json = {
      ...(bytes.length > 0 ? { data: toBase64(bytes), encoding: "base64", offset } : {}),
      ...(close ? { close } : {}),
    };
    await this.#api.http.json("POST", path, { json, signal, timeoutMs: ANSWER_MS });
  }

  async #givenBefore(signal: AbortSignal | undefined): Promise<number> {
    return (await this.#api.get(this.#selector, { signal })).input_offset ?? 0;
  }
}
