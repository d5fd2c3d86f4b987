import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Described } from "@wrenn/protocol";
import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";
import { calls } from "../wire/calls.ts";
import type { CallName } from "../wire/calls.ts";
import { decodeFrames, encodeFrame } from "../wire/frames.ts";
import type { LinkFrame } from "../wire/frames.ts";
import { damaged, errorFromWire } from "../wire/link-error.ts";
import { Beat, End, Failure, Piece, SILENCE_MS } from "../wire/streams.ts";
import { encodeValue } from "../wire/values.ts";
import { boundsOf, plainBounds } from "../wire/answer-bounds.ts";
import type { AnswerBounds } from "../wire/answer-bounds.ts";
import { AnswerBudget } from "./answer-budget.ts";
import { readAnswer } from "./read-answer.ts";
import { unavailable } from "./transport.ts";
import type { TrafficClass, Transport } from "./transport.ts";

const UPLOAD_BYTES = 256 << 10;

export interface StreamPiece {
  readonly value: unknown;
  readonly payload: Uint8Array;
}

/** A stream in both directions. */
export interface LinkExchange {
  /** Resolves when the connection takes more. @throws WrennError `host_unavailable`. */
  send(frame: Buffer): Promise<void>;
  /** Sends a small frame without a wait; on a connection that is closed it is lost. */
  post(frame: Buffer): void;
  /** Says that no frame follows; the answer goes on to its end. */
  end(): void;
  /** Gives up both directions. */
  destroy(): void;
  /** The answer, to its proper end. @throws like {@link LinkClient.call}, also in the middle. */
  pieces(): AsyncGenerator<StreamPiece>;
}

type Arguments<N extends CallName> = Described<(typeof calls)[N]["args"]>;
type Result<N extends CallName> = Described<(typeof calls)[N]["result"]>;

/** Questions and streams over a transport; what comes back has the shape that it must have, or is an error. */
export class LinkClient {
  readonly #transport: Transport;
  readonly #answerMs: number;
  readonly #budget = new AnswerBudget();

  /** @param answerMs - how long the body of an answer may take once it has begun. */
  constructor(transport: Transport, answerMs: number) {
    this.#transport = transport;
    this.#answerMs = answerMs;
  }

  /** @throws the error of the host's agent; WrennError `host_unavailable`. */
  async call<N extends CallName>(name: N, args: Arguments<N>, signal: AbortSignal): Promise<Result<N>> {
    const value = await this.ask("call", `call/${name}`, encodeValue(args), signal, boundsOf(name));
    return checked(calls[name].result, value) as Result<N>;
  }

  /** Sends a body and takes the answer's value. */
  async ask(
    traffic: TrafficClass,
    path: string,
    body: string,
    signal: AbortSignal,
    bounds: AnswerBounds = plainBounds,
  ): Promise<unknown> {
    const { request, response } = this.#transport.open(traffic, path, signal, {
      "content-type": "application/json",
      "content-length": String(Buffer.byteLength(body)),
    });
    request.end(body);
    return await this.#valueOf(await response, signal, bounds);
  }

  /** Opens a stream; its pieces follow to their proper end. @throws like {@link call}, the iteration also in the middle. */
  async stream(
    traffic: TrafficClass,
    name: string,
    args: readonly unknown[],
    signal: AbortSignal,
  ): Promise<AsyncGenerator<StreamPiece>> {
    const unread = new AbortController();
    const body = encodeValue(args);
    const { request, response } = this.#transport.open(
      traffic,
      `stream/${name}`,
      AbortSignal.any([signal, unread.signal]),
      { "content-length": String(Buffer.byteLength(body)) },
    );
    request.end(body);
    const answer = await response;
    if (answer.statusCode !== 200) await this.#valueOf(answer, signal);
    return piecesOf(answer, signal, () => unread.abort(new Error("nobody reads the stream any more")));
  }

  /** Opens a stream in both directions: frames are sent while pieces of the answer arrive. */
  exchange(path: string): LinkExchange {
    const refusalOf = async (answer: IncomingMessage): Promise<unknown> =>
      await this.#valueOf(answer, signal);
    const broken = new AbortController();
    const { signal } = broken;
    const destroy = (): void => broken.abort(new Error("the exchange was given up"));
    const { request, response } = this.#transport.open("stream", path, signal, {
      "transfer-encoding": "chunked",
    });
    return {
      send: async (frame) => {
        try {
          signal.throwIfAborted();
          if (request.destroyed) throw new Error("the connection is closed");
          if (!request.write(frame)) await once(request, "drain", { signal });
        } catch (error) {
          throw unavailable(error);
        }
      },
      post: (frame) => {
        if (!request.destroyed) request.write(frame);
      },
      end: () => request.end(encodeFrame({ end: true })),
      destroy,
      pieces: async function* pieces() {
        const answer = await response;
        if (answer.statusCode !== 200) await refusalOf(answer);
        yield* piecesOf(answer, signal, destroy);
      },
    };
  }

  /** Sends content as frames; when it throws, the host meets a body that is cut off. */
  async upload(
    path: "upload" | "append" | "image" | "template-part",
    args: readonly unknown[],
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { request, response } = this.#transport.open("bulk", path, signal, {
      "transfer-encoding": "chunked",
    });
    const send = async (frame: Buffer): Promise<void> => {
      if (!request.write(frame)) await Promise.race([once(request, "drain", { signal }), response]);
    };
    let refused = false;
    void response.then(() => (refused = true)).catch(() => undefined);
    try {
      await send(encodeFrame(args));
      for await (const chunk of content) {
        if (refused) break;
        for (let at = 0; at < chunk.length; at += UPLOAD_BYTES)
          await send(encodeFrame(null, chunk.subarray(at, at + UPLOAD_BYTES)));
      }
      request.end(encodeFrame({ end: true }));
    } catch (error) {
      // What arrived of a part is kept: the host says when it has all of that.
      if (path === "append" && !signal.aborted && !request.errored) {
        request.end();
        await response.then((answer) => this.#valueOf(answer, signal)).catch(() => undefined);
      }
      request.destroy();
      throw request.errored && !signal.aborted && error === request.errored ? unavailable(error) : error;
    }
    return await this.#valueOf(await response, signal);
  }

  async #valueOf(
    response: IncomingMessage,
    signal: AbortSignal,
    bounds: AnswerBounds = plainBounds,
  ): Promise<unknown> {
    return await readAnswer(response, { signal, bounds, budget: this.#budget, bodyMs: this.#answerMs });
  }
}

async function* piecesOf(
  answer: IncomingMessage,
  signal: AbortSignal,
  giveUp: () => void,
): AsyncGenerator<StreamPiece> {
  let complete = false;
  try {
    for await (const { header, payload } of framesOf(answer, signal)) {
      if (Value.Check(Beat, header)) continue;
      complete = Value.Check(End, header);
      if (complete) return;
      if (Value.Check(Failure, header)) throw errorFromWire(header.error);
      if (!Value.Check(Piece, header)) throw damaged("a frame of no known kind");
      yield { value: header.value, payload };
    }
    throw unavailable(new Error("the stream was cut off"));
  } finally {
    // One that came to its end leaves its connection to the next.
    if (complete) answer.resume();
    else giveUp();
  }
}

/** @throws WrennError `operation_failed` for a value of another shape. */
export function checked<S extends TSchema>(shape: S, value: unknown): Static<S> {
  // A method without a result answers with nothing at all.
  if (Value.Check(shape, value)) return value;
  throw damaged("an answer of another shape");
}

/** Frames as they come; a host that says nothing for too long, not even that it lives, is gone. */
async function* framesOf(response: IncomingMessage, signal: AbortSignal): AsyncGenerator<LinkFrame> {
  const silence = setTimeout(
    () => response.destroy(new Error(`nothing was heard for ${SILENCE_MS} ms`)),
    SILENCE_MS,
  );
  try {
    for await (const frame of decodeFrames(response as AsyncIterable<Uint8Array>)) {
      silence.refresh();
      yield frame;
      silence.refresh();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unavailable(error);
  } finally {
    clearTimeout(silence);
  }
}
