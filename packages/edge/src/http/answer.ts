import type { IncomingMessage } from "node:http";
import type { Exchange } from "./exchange.ts";
import { addTrailers, cutOff, writeHead } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";
import { pump } from "./pump.ts";

/** How long a client may go on sending a body that the service did not want, so that it gets to read the answer. */
const LINGER_MS = 1000;

interface Answer {
  readonly request: EdgeRequest;
  readonly response: EdgeResponse;
  /** The service's response, its body not yet read. */
  readonly incoming: IncomingMessage;
  readonly exchange: Exchange;
  readonly onBytes: (size: number) => void;
  /** The exchange is complete, or broke with the error. */
  readonly over: (error?: unknown) => void;
}

/** Streams a service's response to the client. One that cannot be told is `over` before anything is sent. */
export function sendAnswer({ request, response, incoming, exchange, onBytes, over }: Answer): void {
  const broken = (): void => {
    if (!incoming.complete) over(new Error("the service ended its response too early"));
  };
  incoming.on("error", over);
  incoming.on("close", broken);
  response.once("finish", () => {
    // Node.js says so of HTTP/2 also when the client has broken the stream off; its close follows.
    if (!response.writableEnded) return;
    endRequest(request);
    over();
  });
  const status = incoming.statusCode ?? 0;
  if (status < 200 || status > 599) {
    over(new Error(`it answered with status ${status}`));
    return;
  }
  try {
    writeHead(response, status, incoming.statusMessage ?? "", exchange.rewriteResponse(incoming.rawHeaders));
  } catch (error) {
    // What one version of HTTP lets a service say, another may forbid.
    over(error);
    return;
  }
  pump(incoming, response, onBytes, () => {
    addTrailers(response, incoming.rawTrailers);
    response.end();
  });
}

/** The rest of a body that nobody wants is read away for a moment, then the client is cut off. */
export function endRequest(request: EdgeRequest): void {
  if (request.complete) return;
  request.removeAllListeners("data");
  request.resume();
  const timer = setTimeout(() => cutOff(request), LINGER_MS);
  const done = (): void => clearTimeout(timer);
  request.once("end", done);
  request.once("close", done);
}
