import { withoutPlatformCookies } from "../access/cookies.ts";
import { forEndToEnd, valuesOf } from "./raw-headers.ts";
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

/** Header fields for the service. Platform credentials (X-API-Key, platform cookies) never pass. */
export function requestHeaders(raw: RawHeaders, rewrite: RequestRewrite): string[] {
  const { client } = rewrite;
  const headers = ["Host", rewrite.host];
  const cookies: string[] = [];
  forEndToEnd(raw, (name, value, lowerCase) => {
    if (replaced.has(lowerCase)) return;
    if (lowerCase === "authorization" && rewrite.dropAuthorization) return;
    if (lowerCase === "cookie") cookies.push(value);
    // A chunked body has no other length (RFC 9112 §6.2).
    else if (lowerCase !== "content-length" || !rewrite.chunked) headers.push(name, value);
  });
  // HTTP/2 splits cookies into several fields; HTTP/1.1 allows one (RFC 9113 §8.2.3).
  const cookie = cookies.length > 0 ? withoutPlatformCookies(cookies.join("; ")) : undefined;
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
