import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { constants } from "node:http2";

/** One request at the agent's port and its answer. */
export interface AgentExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  /** Aborts when the client leaves before it has its answer. */
  readonly left: AbortSignal;
}

/** A signal that aborts when the response is closed before it is complete. */
export function leftOf(response: ServerResponse): AbortSignal {
  const left = new AbortController();
  response.once("close", () => {
    // Over HTTP/2 a stream that was reset counts as finished, but not as ended.
    if (!response.writableEnded || !response.writableFinished) left.abort(new Error("the client left"));
  });
  return left.signal;
}

/** Answers with JSON. */
export function answerJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

/** Answers with an error: its `code` is the status, as clients expect it outside of RPCs. */
export function answerError(response: ServerResponse, status: number, message: string): void {
  answerJson(response, status, { code: status, message });
}

/** Breaks an answer in the middle, so that no client takes it for a complete one. */
export function breakOff(response: ServerResponse | Http2ServerResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}
