import type { ClientRequest, IncomingMessage } from "node:http";
import { WrennError } from "@wrenn/core";
import { joinPieces } from "@wrenn/system";
import type { Exchange } from "./exchange.ts";
import { passInformation } from "./information.ts";
import { abortResponse, bodyOf, sendHead } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";
import { sendAnswer } from "./answer.ts";
import { pump } from "./pump.ts";
import { requestTrailers } from "./request-headers.ts";
import { openRequest } from "./service-request.ts";
import { upstreamError } from "./upstream-error.ts";

/** May be sent again when a kept connection turns out to be closed (RFC 9110 §9.2.2). */
const REPEATABLE = new Set(["GET", "HEAD", "OPTIONS"]);

/** A kept connection ended before the service answered anything; the request may be sent again on a new one. */
class StaleConnection extends Error {}

/**
 * Sends a request to a service and its response to the client, streaming both ways.
 *
 * Only requests that may be repeated use kept connections, because those can turn out to be closed; a request with
 * a body always has a new one and is sent once.
 *
 * @returns when the exchange is over, whichever way. A response that broke is never ended cleanly.
 * @throws WrennError of the ports section when nothing was answered yet; the caller answers.
 */
export async function relay(request: EdgeRequest, response: EdgeResponse, exchange: Exchange): Promise<void> {
  const repeatable = REPEATABLE.has(exchange.method) && bodyOf(request) === "none";
  try {
    await attempt(request, response, exchange, repeatable);
  } catch (error) {
    if (!(error instanceof StaleConnection)) throw error;
    await attempt(request, response, exchange, false);
  }
}

async function attempt(
  request: EdgeRequest,
  response: EdgeResponse,
  exchange: Exchange,
  mayReuse: boolean,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { limits, signal, port } = exchange;
  signal.throwIfAborted();
  const { kept, single } = exchange.pool;
  const upstream = openRequest(exchange, mayReuse ? kept : single, exchange.headers);
  let answer: IncomingMessage | undefined;
  let settled = false;

  const settle = (error?: unknown): void => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    response.removeListener("close", onClose);
    if (error === undefined) return resolve();
    upstream.destroy();
    const known = upstreamError(error, port, limits);
    if (response.headersSent) {
      abortResponse(response);
      return resolve();
    }
    return reject(
      mayReuse && upstream.reusedSocket && !(error instanceof WrennError) ? new StaleConnection() : known,
    );
  };
  const onAbort = (): void => settle(signal.reason);
  const onClose = (): void => settle(new Error("the client went away"));
  const timer = setTimeout(
    () => {
      const ms = answer ? limits.idleMs : limits.responseMs;
      settle(new WrennError("port_timeout", { port, action: answer ? "send more" : "answer", ms }));
    },
    Math.min(limits.responseMs, limits.idleMs),
  );
  const onBytes = (size: number): void => {
    timer.refresh();
    exchange.onBytes(size);
  };

  signal.addEventListener("abort", onAbort, { once: true });
  response.once("close", onClose);
  // Once the service answers, only its answer counts: it may close while a body it does not want is still coming.
  upstream.on("error", (error) => answer ?? settle(error));
  passInformation(upstream, { request, response, exchange, onPassed: () => timer.refresh() });
  upstream.on("response", (incoming) => {
    answer = incoming;
    joinPieces(incoming);
    timer.refresh();
    sendAnswer({ request, response, incoming, exchange, onBytes, over: settle });
  });
  sendBody(request, upstream, onBytes);
  return promise;
}

function sendBody(request: EdgeRequest, upstream: ClientRequest, onBytes: (size: number) => void): void {
  if (bodyOf(request) === "none") {
    upstream.end();
    return;
  }
  // The head goes first: with Expect: 100-continue the body only comes after the service agreed.
  sendHead(upstream);
  pump(request, upstream, onBytes, () => {
    const trailers = requestTrailers(request.rawTrailers);
    if (trailers.length > 0) upstream.addTrailers(trailers);
    upstream.end();
  });
}
