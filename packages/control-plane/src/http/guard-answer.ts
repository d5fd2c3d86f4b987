import type { IncomingMessage, ServerResponse } from "node:http";
import { securityHeaders } from "@wrenn/core";
import type { TrustedProxies } from "@wrenn/core";

/**
 * Gives an answer the header fields that every answer of the platform has, before anything knows what it will be; a route sets
 * others of the same name where it needs them.
 */
export function guardAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  proxies: TrustedProxies,
): void {
  for (const [name, value] of Object.entries(platformHeaders(request, proxies)))
    response.setHeader(name, value);
}

/** The fields for this request, as its client reached the platform. */
export function platformHeaders(
  request: IncomingMessage,
  proxies: TrustedProxies,
): Readonly<Record<string, string>> {
  const { headers } = request;
  const authority = headers[":authority"];
  const own = typeof authority === "string" ? authority : headers.host;
  return securityHeaders({
    isSecure: proxies.protocolOf(request) === "https",
    host: proxies.forwardedHost(request) ?? own ?? "",
  });
}
