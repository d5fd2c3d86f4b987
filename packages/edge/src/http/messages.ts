import type { IncomingMessage, OutgoingMessage, ServerResponse } from "node:http";
import { constants } from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { securityHeaders, plainAddress } from "@wrenn/core";
import { pairsOf } from "./raw-headers.ts";
import { forwardedOf } from "./forwarded.ts";
import type { RawHeaders } from "./raw-headers.ts";
import { responseTrailers } from "./response-headers.ts";

/** A request of either protocol version. */
export type EdgeRequest = IncomingMessage | Http2ServerRequest;
/** Its response. */
export type EdgeResponse = ServerResponse | Http2ServerResponse;

/** Address of the client; empty when its connection is gone. */
export function addressOf(request: EdgeRequest): string {
  return forwardedOf(request)?.address ?? plainAddress(request.socket.remoteAddress ?? "");
}

/** The Host header, or `:authority` of HTTP/2; empty when there is none. */
export function authorityOf(request: EdgeRequest): string {
  const forwarded = forwardedOf(request)?.host;
  if (forwarded !== undefined) return forwarded;
  return "stream" in request
    ? (request.authority ?? request.headers.host ?? "")
    : (request.headers.host ?? "");
}

/** The protocol that the client speaks: to the edge, or to a trusted proxy. */
export function protocolOf(request: EdgeRequest): "http" | "https" {
  const { socket } = request;
  const forwarded = forwardedOf(request)?.protocol;
  if (forwarded !== undefined) return forwarded;
  return "encrypted" in socket && socket.encrypted ? "https" : "http";
}

/** Header fields that every answer of the platform itself has, for this request. */
export function platformHeaders(request: EdgeRequest): Readonly<Record<string, string>> {
  return securityHeaders({ isSecure: protocolOf(request) === "https", host: authorityOf(request) });
}

/** The raw request target in origin form; the absolute form of HTTP/1.1 loses its origin (RFC 9112 §3.2.2). */
export function targetOf(request: EdgeRequest): string {
  const url = request.url ?? "/";
  return url.replace(/^https?:\/\/[^/?#]*(?=([/?]?))/i, (_all, next: string) => (next === "/" ? "" : "/"));
}

/** Whether a body may follow, and whether its length is known. What follows a CONNECT is a tunnel (RFC 9110 §9.3.6). */
export function bodyOf(request: EdgeRequest): "none" | "known" | "unknown" {
  if (request.method === "CONNECT") return "none";
  if (request.headers["transfer-encoding"] !== undefined) return "unknown";
  if (request.headers["content-length"] !== undefined) return "known";
  return "stream" in request && !request.stream.endAfterHeaders ? "unknown" : "none";
}

/**
 * Writes status and fields as given; HTTP/2 has no reason phrase and wants duplicates in lists.
 *
 * @throws Error for what the protocol does not allow, such as two Content-Type fields in HTTP/2; nothing was sent then.
 */
export function writeHead(response: EdgeResponse, status: number, reason: string, headers: RawHeaders): void {
  response.sendDate = false;
  if (!("stream" in response)) {
    response.writeHead(status, reason, [...headers]);
    sendHead(response);
    return;
  }
  try {
    for (const [name, value] of Object.entries(fieldsOf(headers))) response.setHeader(name, value);
    response.writeHead(status);
  } catch (error) {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    throw error;
  }
}

/**
 * Sends the head of an HTTP/1.1 message before its body: a stream of events starts before its first event. Each character is a byte, as
 * Node.js reads fields; `flushHeaders` would encode those above 127 in UTF-8.
 */
export function sendHead(message: OutgoingMessage): void {
  message.write("", "latin1");
}

/** Fields as HTTP/2 wants them: names in lower case, duplicates in lists. */
export function fieldsOf(headers: RawHeaders): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  for (const [name, value] of pairsOf(headers)) {
    const key = name.toLowerCase();
    const before = fields[key];
    if (Array.isArray(before)) before.push(value);
    else fields[key] = before === undefined ? value : [before, value];
  }
  return fields;
}

/** Ends the exchange so that the client cannot take it for complete. */
export function abortResponse(response: EdgeResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  // The response to a pipelined request has no connection before it is its turn.
  else response.req.socket.destroy();
}

/** Fields after the body; HTTP/1.1 sends them only with a chunked one. Those of one hop, which HTTP/2 forbids, stay here. */
export function addTrailers(response: EdgeResponse, raw: RawHeaders): void {
  const trailers = responseTrailers(raw);
  if (trailers.length === 0) return;
  if ("stream" in response) response.addTrailers(Object.fromEntries(trailers));
  else response.addTrailers(trailers);
}

/** Ends the response with a whole body. */
export function endWith(response: EdgeResponse, body: Buffer): void {
  if ("stream" in response) response.end(body);
  else response.end(body);
}

/** Ends a request whose answer was given, although its body has not ended. */
export function cutOff(request: EdgeRequest): void {
  if ("stream" in request) request.stream.close(constants.NGHTTP2_NO_ERROR);
  else request.socket.destroy();
}
