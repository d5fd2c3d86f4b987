import { cookiesForService } from "../access/cookies.ts";
import { holdsPlatformCredential } from "../access/platform-credentials.ts";
import { withoutTokenParameters } from "../access/token-parameters.ts";
import { forEndToEnd, trailersOf, valuesOf } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";

/** How the client reached the edge; the service learns it from X-Forwarded-*. */
export interface ClientFacts {
  readonly address: string;
  /** The Host header or `:authority`, as sent. */
  readonly host: string;
  readonly protocol: "http" | "https";
}

export interface RequestRewrite {
  readonly client: ClientFacts;
  /** Host for the service; the client's own one except in the path form. */
  readonly host: string;
  /** Path that the edge took away, for X-Forwarded-Prefix. */
  readonly prefix: string;
  /** What the names of the service's cookies begin with; empty where it has a host name to itself. */
  readonly cookieTag: string;
  /** Authorization was a credential of the platform and stays here. */
  readonly dropAuthorization: boolean;
  /** A body whose length is not known follows. */
  readonly chunked: boolean;
  /** Content-Length must be given although the client gave none: a POST without a body. */
  readonly emptyBody: boolean;
  /** Protocol to switch to. */
  readonly upgrade: string | undefined;
}

/** Ours to say; what a client claims about its own path here is not believed. */
const replaced = new Set([
  "forwarded",
  "host",
  "x-api-key",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-real-ip",
]);

/** Trailers that a server could take for fields of the head, which RFC 9110 §6.5.1 forbids. */
const neverTrailers = new Set([
  "authorization",
  "cookie",
  "content-length",
  "sec-websocket-protocol",
  ...replaced,
]);

/**
 * Header fields for the service. Credentials of the platform never pass, whether or not they admit: X-API-Key, platform
 * cookies, the tokens of links and tickets, and every field that holds an API key or a token that the platform issued.
 */
export function requestHeaders(raw: RawHeaders, rewrite: RequestRewrite): string[] {
  const { client } = rewrite;
  const headers = ["Host", rewrite.host];
  const cookies: string[] = [];
  forEndToEnd(raw, (name, value, lowerCase) => {
    if (replaced.has(lowerCase)) return;
    if (lowerCase === "authorization" && rewrite.dropAuthorization) return;
    if (lowerCase === "cookie") {
      cookies.push(value);
      return;
    }
    // A chunked body has no other length (RFC 9112 §6.2).
    if (lowerCase === "content-length" && rewrite.chunked) return;
    const passed = passedValue(lowerCase, value);
    if (passed !== undefined) headers.push(name, passed);
  });
  // HTTP/2 splits cookies into several fields; HTTP/1.1 allows one (RFC 9113 §8.2.3).
  const cookie = cookies.length > 0 ? cookiesForService(cookies.join("; "), rewrite.cookieTag) : undefined;
  if (cookie !== undefined) headers.push("Cookie", cookie);
  headers.push("X-Forwarded-For", client.address, "X-Forwarded-Host", client.host);
  headers.push("X-Forwarded-Proto", client.protocol);
  if (rewrite.prefix !== "") headers.push("X-Forwarded-Prefix", rewrite.prefix);
  if (acceptsTrailers(raw)) headers.push("TE", "trailers");
  if (rewrite.chunked) headers.push("Transfer-Encoding", "chunked");
  else if (rewrite.emptyBody) headers.push("Content-Length", "0");
  if (rewrite.upgrade !== undefined) headers.push("Connection", "Upgrade", "Upgrade", rewrite.upgrade);
  return headers;
}

function acceptsTrailers(raw: RawHeaders): boolean {
  return valuesOf(raw, "te").some((value) =>
    value.split(",").some((coding) => coding.trim().toLowerCase().startsWith("trailers")),
  );
}

/** Trailer fields for the service, as pairs. */
export function requestTrailers(raw: RawHeaders): [string, string][] {
  return trailersOf(raw).filter(
    ([name, value]) => !neverTrailers.has(name.toLowerCase()) && !holdsPlatformCredential(value),
  );
}

/** What of a field's value a service may see; undefined for none of it. */
function passedValue(lowerCase: string, value: string): string | undefined {
  if (lowerCase === "sec-websocket-protocol") {
    const offered = value.split(",").filter((name) => !holdsPlatformCredential(name));
    return offered.length > 0 ? offered.join(",").trim() : undefined;
  }
  return holdsPlatformCredential(value) ? undefined : withoutTokenParameters(value);
}
