import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "@wrenn/core";

/**
 * Gives an answer the header fields that every answer of the platform has, before anything knows what it will be; a route sets
 * others of the same name where it needs them.
 */
export function guardAnswer(request: IncomingMessage, response: ServerResponse): void {
  for (const [name, value] of Object.entries(platformHeaders(request))) response.setHeader(name, value);
}

/** The fields for this request. */
export function platformHeaders(request: IncomingMessage): Readonly<Record<string, string>> {
  const { headers, socket } = request;
  const authority = headers[":authority"];
  return securityHeaders({
    isSecure: "encrypted" in socket && socket.encrypted === true,
    host: (typeof authority === "string" ? authority : headers.host) ?? "",
  });
}
