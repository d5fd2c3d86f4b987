import { Http2ServerResponse } from "node:http2";
import { setImmediate } from "node:timers/promises";
import { WrennError } from "@wrenn/core";
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** Turns of the event loop from the end of a connection that the kernel has received to the end of its response. */
const CLOSING_TURNS = 3;

/** The client of one request, as long as its answer has not been sent. */
export interface WaitingClient {
  /**
   * Aborts when the client left before its answer: its connection closed, or its HTTP/2 stream was reset, before the whole answer
   * was handed to the operating system.
   */
  readonly left: AbortSignal;
  /** How the request ended: with an answer, whichever, or without one. */
  readonly outcome: Promise<"answered" | "left">;
  /** Milliseconds since the request arrived. */
  waitedMs(): number;
  /** Reads what the connection has received until now. @throws WrennError `client_left` when the client left. */
  requirePresent(): Promise<void>;
}

/** What {@link waitingClient} takes of a reply, over either protocol. */
export interface WaitingReply {
  readonly raw: ServerResponse | Http2ServerResponse;
  readonly request: { readonly raw: { readonly socket: Socket } };
  readonly elapsedTime: number;
}

export function waitingClient(reply: WaitingReply): WaitingClient {
  const gone = new AbortController();
  const { promise, resolve } = Promise.withResolvers<"answered" | "left">();
  const { socket } = reply.request.raw;
  const response = reply.raw;
  let isSent = false;
  const end = (): void => {
    if (!isSent) gone.abort(new WrennError("client_left", {}));
    resolve(isSent ? "answered" : "left");
  };
  // Before the server's listener, which gives the connection to the next request. A failed write ends a response, too.
  response.prependOnceListener("finish", () => {
    isSent = !socket.destroyed && !socket.errored;
  });
  response.once("close", () => {
    // Over HTTP/2 a response "finishes" however its stream ends.
    if (response instanceof Http2ServerResponse) isSent = isStreamComplete(response);
    end();
  });
  // It may have closed while the request was read and authenticated.
  if (isGone(reply)) end();
  return {
    left: gone.signal,
    outcome: promise,
    waitedMs: () => reply.elapsedTime,
    requirePresent: async () => {
      for (let turn = 0; turn < CLOSING_TURNS; turn += 1) await setImmediate();
      gone.signal.throwIfAborted();
    },
  };
}

/** Whether nothing can be sent to the client any longer. */
export function isGone({ raw }: Pick<WaitingReply, "raw">): boolean {
  return raw instanceof Http2ServerResponse ? raw.stream.destroyed : raw.destroyed;
}

function isStreamComplete({ stream, writableEnded }: Http2ServerResponse): boolean {
  return writableEnded && stream.writableFinished && !stream.aborted && !stream.rstCode;
}
