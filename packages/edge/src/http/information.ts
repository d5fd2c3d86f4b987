import type { ClientRequest, InformationEvent } from "node:http";
import type { Exchange } from "./exchange.ts";
import { fieldsOf } from "./messages.ts";
import type { EdgeRequest, EdgeResponse } from "./messages.ts";
import type { RawHeaders } from "./raw-headers.ts";

const CONTINUE = 100;
/** What an informational response costs besides its fields. */
const STATUS_LINE = 32;

interface Informed {
  readonly request: EdgeRequest;
  readonly response: EdgeResponse;
  readonly exchange: Exchange;
  /** One was passed on. */
  readonly onPassed: () => void;
}

/**
 * Passes informational responses (1xx) of a service on: the first 100, and all others up to the size of one head. A service can send
 * any number of them, and what a client does not read stays in memory, so further ones are left out. Clients of HTTP/1.0 get none
 * (RFC 9110 §15.2).
 */
export function passInformation(upstream: ClientRequest, informed: Informed): void {
  const { request, response, exchange, onPassed } = informed;
  if (request.httpVersion === "1.0") return;
  let room = exchange.limits.headBytes;
  let isContinued = false;
  upstream.on("information", ({ statusCode, rawHeaders }: InformationEvent) => {
    if (response.headersSent || response.destroyed || (statusCode === CONTINUE && isContinued)) return;
    isContinued ||= statusCode === CONTINUE;
    const headers = exchange.rewriteInformation(rawHeaders);
    room -= STATUS_LINE + sizeOf(headers);
    if (room >= 0 && writeInformation(response, statusCode, headers)) onPassed();
  });
}

function sizeOf(headers: RawHeaders): number {
  return headers.reduce((size, text) => size + text.length + 2, 0);
}

/** Whether it was written: what HTTP/1.1 lets a service say, HTTP/2 may forbid. */
function writeInformation(response: EdgeResponse, status: number, headers: RawHeaders): boolean {
  try {
    if ("stream" in response) response.stream.additionalHeaders({ ":status": status, ...fieldsOf(headers) });
    else response.writeInformation(status, headers);
    return true;
  } catch {
    // No client depends on it: the response itself follows.
    return false;
  }
}
