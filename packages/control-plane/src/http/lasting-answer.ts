import { once } from "node:events";
import type { Writable } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { waitingClient } from "./waiting-client.ts";

/** A client that takes nothing for this long is disconnected, unless the answer says otherwise. */
const STALLED_MS = 30_000;

/** What may wait for a client before its writer does. */
const AHEAD_BYTES = 64 << 10;

export interface LastingAnswerOptions {
  readonly contentType: string;
  /** Aborts when the control plane closes. */
  readonly closing: AbortSignal;
  /** A client that takes nothing for this long is disconnected; default: 30 s. */
  readonly stalledMs?: number;
}

/** An answer whose body is written bit by bit for as long as its client stays. Its head is sent with the first bytes. */
export class LastingAnswer {
  /** Aborts when the client has left, or when the control plane closes. */
  readonly signal: AbortSignal;
  readonly #response: FastifyReply["raw"];
  readonly #closing: AbortSignal;
  readonly #stalledMs: number | undefined;
  #waiting = 0;

  constructor(request: FastifyRequest, reply: FastifyReply, options: LastingAnswerOptions) {
    const { contentType, closing, stalledMs } = options;
    this.signal = AbortSignal.any([waitingClient(reply).left, closing]);
    this.#response = reply.raw;
    this.#closing = closing;
    this.#stalledMs = stalledMs;
    reply.hijack();
    this.#response.writeHead(200, {
      "content-type": contentType,
      "cache-control": "no-store, no-transform",
      "x-accel-buffering": "no",
      "x-request-id": request.id,
    });
  }

  /** Whether the client has not taken everything that was written. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Writes a part of the body, and waits while the client is slow. @throws like {@link writeToClient}. */
  async write(part: string | Uint8Array): Promise<void> {
    this.#waiting += 1;
    try {
      await writeToClient(this.#response, part, this.signal, this.#stalledMs);
    } finally {
      this.#waiting -= 1;
    }
  }

  /** The body is complete. */
  end(): void {
    this.#response.end();
  }

  /** The body is not complete: it ends without its last chunk, unless the control plane closes, which is no failure. */
  breakOff(): void {
    if (this.#closing.aborted) this.#response.end();
    // What was written is handed to the operating system first.
    else setImmediate(() => this.#response.destroy());
  }
}

/**
 * Writes a part of an answer that lasts, and waits until there is room for the next one. A client that takes nothing for too long is
 * disconnected.
 *
 * @throws the signal's reason, or a `TimeoutError`.
 */
export async function writeToClient(
  response: Writable,
  part: string | Uint8Array,
  signal: AbortSignal,
  stalledMs = STALLED_MS,
): Promise<void> {
  if (response.write(part) || response.writableLength <= AHEAD_BYTES) return;
  const late = new AbortController();
  const stalled = setTimeout(
    () => late.abort(new DOMException("the client takes nothing", "TimeoutError")),
    stalledMs,
  );
  try {
    await once(response, "drain", { signal: AbortSignal.any([signal, late.signal]) });
  } catch (error) {
    response.destroy();
    // The error of an aborted wait is not the reason of the abort.
    if (signal.aborted) throw signal.reason;
    throw late.signal.aborted ? late.signal.reason : error;
  } finally {
    clearTimeout(stalled);
  }
}
