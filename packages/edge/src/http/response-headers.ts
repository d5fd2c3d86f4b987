import { guestSetCookie } from "../access/cookies.ts";
import type { SharedHost } from "../access/cookies.ts";
import { forEndToEnd, pairsOf, trailersOf } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";

export interface ResponseRewrite extends SharedHost {
  /** `host:port` the service believes to be, for absolute redirects to itself. */
  readonly authority: string;
  /** Fields of the edge itself, such as its cookie. */
  readonly extra: RawHeaders;
}

/**
 * Fields that act beyond the page that they come with: on the whole host name or site, for as long as the browser remembers,
 * or on a proxy in front of the edge. A service has no say there: its neighbours and the platform share them.
 */
const refused = new Set([
  // Deletes cookies and storage, also of the whole registrable domain.
  "clear-site-data",
  // Reports addresses of the whole origin and its sub-domains to where a guest says.
  "nel",
  "report-to",
  "reporting-endpoints",
  // Say how a host name, or every name below it, is to be reached and trusted later.
  "alt-svc",
  "expect-ct",
  "expect-staple",
  "public-key-pins",
  "public-key-pins-report-only",
  "strict-transport-security",
  // Widen what a page's scripts control, or how processes are shared with its neighbours.
  "activate-storage-access",
  "origin-agent-cluster",
  "service-worker-allowed",
  "supports-loading-mode",
  // Sessions, log-ins and interests that browsers keep for a site.
  "login-status",
  "observe-browsing-topics",
  "sec-session-challenge",
  "sec-session-registration",
  "secure-session-challenge",
  "secure-session-registration",
  "set-cookie2",
  "set-login",
  "shared-storage-write",
  // Make a web server in front of the edge serve its own files.
  "x-accel-redirect",
  "x-lighttpd-send-file",
  "x-reproxy-file",
  "x-reproxy-url",
  "x-sendfile",
]);
const refusedPrefixes = ["attribution-reporting-", "x-wrenn-"];

/** Of a host name that services share: what browsers remember for all of it, such as a password for a realm. */
const refusedOnSharedHost = new Set([
  "accept-ch",
  "accept-ch-lifetime",
  "critical-ch",
  "use-as-dictionary",
  "www-authenticate",
]);

/** Trailers that a client could take for fields of the head, which RFC 9110 §6.5.1 forbids. */
const neverTrailers = new Set(["content-length", "content-security-policy", "location", "set-cookie"]);

/** Header fields for the client: cookies confined to the capsule, redirects kept below the prefix. */
export function responseHeaders(raw: RawHeaders, rewrite: ResponseRewrite): string[] {
  const headers: string[] = [];
  forEndToEnd(raw, (name, value, lowerCase) => {
    if (isRefused(lowerCase, rewrite.prefix)) return;
    if (lowerCase === "set-cookie") {
      const cookie = guestSetCookie(value, rewrite);
      if (cookie !== undefined) headers.push(name, cookie);
    } else if (lowerCase === "location") headers.push(name, redirect(value, rewrite));
    else headers.push(name, value);
  });
  headers.push(...rewrite.extra);
  return headers;
}

/** What a final response has, and no informational one: its body's length, and cookies, which the final one repeats. */
const finalOnly = new Set(["content-length", "set-cookie"]);

/** Fields of an informational response for the client. */
export function informationHeaders(raw: RawHeaders, rewrite: ResponseRewrite): string[] {
  return pairsOf(responseHeaders(raw, { ...rewrite, extra: [] }))
    .filter(([name]) => {
      const lowerCase = name.toLowerCase();
      if (finalOnly.has(lowerCase) || refusedOnSharedHost.has(lowerCase)) return false;
      // On a shared host a browser would load it as the host's own page does: the sandbox comes with the final response.
      return rewrite.prefix === "" || lowerCase !== "link";
    })
    .flat();
}

/** Trailer fields for the client, as pairs. */
export function responseTrailers(raw: RawHeaders): [string, string][] {
  return trailersOf(raw).filter(([name]) => {
    const lowerCase = name.toLowerCase();
    return !neverTrailers.has(lowerCase) && !refusedOnSharedHost.has(lowerCase) && !isRefused(lowerCase, "");
  });
}

function isRefused(lowerCase: string, prefix: string): boolean {
  return (
    refused.has(lowerCase) ||
    refusedPrefixes.some((each) => lowerCase.startsWith(each)) ||
    (prefix !== "" && refusedOnSharedHost.has(lowerCase))
  );
}

/** See docs/reference/ports.md#redirects: root-relative and own absolute targets get the prefix, all others stay as they are. */
function redirect(location: string, { prefix, authority }: ResponseRewrite): string {
  if (prefix === "") return location;
  if (location.startsWith("/") && !location.startsWith("//")) return prefix + location;
  for (const own of [`http://${authority}`, `https://${authority}`, `//${authority}`]) {
    if (!location.toLowerCase().startsWith(own.toLowerCase())) continue;
    const rest = location.slice(own.length);
    if (rest === "") return `${prefix}/`;
    if (rest.startsWith("/")) return prefix + rest;
    if (rest.startsWith("?") || rest.startsWith("#")) return `${prefix}/${rest}`;
  }
  return location;
}
