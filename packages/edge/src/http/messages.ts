import type { IncomingMessage, ServerResponse } from "node:http";
import { constants } from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { pairsOf } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";

/** A request of either protocol version. */
export type EdgeRequest = IncomingMessage | Http2ServerRequest;
/** Its response. */
export type EdgeResponse = ServerResponse | Http2ServerResponse;

/** The Host header, or `:authority` of HTTP/2; empty when there is none. */
export function authorityOf(request: EdgeRequest): string {
  return "stream" in request
    ? (request.authority ?? request.headers.host ?? "")
    : (request.headers.host ?? "");
}

/** How the client speaks to the edge. */
export function protocolOf({ socket }: EdgeRequest): "http" | "https" {
  return "encrypted" in socket && socket.encrypted ? "https" : "http";
}

/** The raw request target in origin form; the absolute form of HTTP/1.1 loses its origin (RFC 9112 §3.2.2). */
export function targetOf(request: EdgeRequest): string {
  const url = request.url ?? "/";
  return url.replace(/^https?:\/\/[^/?#]*(?=([/?]?))/i, (_all, next: string) => (next === "/" ? "" : "/"));
}

/** Whether a body may follow, and whether its length is known. */
export function bodyOf(request: EdgeRequest): "none" | "known" | "unknown" {
  if (request.headers["transfer-encoding"] !== undefined) return "unknown";
  if (request.headers["content-length"] !== undefined) return "known";
  return "stream" in request && !request.stream.endAfterHeaders ? "unknown" : "none";
}

/** Writes status and fields as given; HTTP/2 has no reason phrase and wants duplicates in lists. */
export function writeHead(response: EdgeResponse, status: number, reason: string, headers: RawHeaders): void {
  response.sendDate = false;
  if (!("stream" in response)) {
    response.writeHead(status, reason, [...headers]);
    // A stream of events starts before its first event.
    response.flushHeaders();
    return;
  }
  const grouped: Record<string, string[]> = {};
  for (let at = 0; at + 1 < headers.length; at += 2) {
    (grouped[headers[at]?.toLowerCase() ?? ""] ??= []).push(headers[at + 1] ?? "");
  }
  for (const [name, values] of Object.entries(grouped)) {
    const [only = ""] = values;
    response.setHeader(name, values.length === 1 ? only : values);
  }
  response.writeHead(status);
}

/** Ends the exchange so that the client cannot take it for complete. */
export function abortResponse(response: EdgeResponse): void {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.socket?.destroy();
}

/** Fields after the body; HTTP/1.1 sends them only with a chunked one. */
export function addTrailers(response: EdgeResponse, raw: RawHeaders): void {
  if (raw.length === 0) return;
  if ("stream" in response) response.addTrailers(Object.fromEntries(pairsOf(raw)));
  else response.addTrailers(pairsOf(raw));
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
