import { guestSetCookie } from "../access/cookies.ts";
import { forEndToEnd } from "./raw-headers.ts";
import type { RawHeaders } from "./raw-headers.ts";

export interface ResponseRewrite {
  /** `/proxy/{id}/{port}` in the path form, else empty. */
  readonly prefix: string;
  /** `host:port` the service believes to be, for absolute redirects to itself. */
  readonly authority: string;
  /** Fields of the edge itself, such as its cookie. */
  readonly extra: RawHeaders;
}

/** Header fields for the client: cookies confined to the capsule, redirects kept below the prefix. */
export function responseHeaders(raw: RawHeaders, rewrite: ResponseRewrite): string[] {
  const headers: string[] = [];
  forEndToEnd(raw, (name, value, lowerCase) => {
    if (lowerCase === "set-cookie") {
      const cookie = guestSetCookie(value, rewrite.prefix);
      if (cookie !== undefined) headers.push(name, cookie);
    } else if (lowerCase === "location") headers.push(name, redirect(value, rewrite));
    else headers.push(name, value);
  });
  headers.push(...rewrite.extra);
  return headers;
}

/** See docs/reference/ports.md#redirects: root-relative and own absolute targets get the prefix, all others stay as they are. */
function redirect(location: string, { prefix, authority }: ResponseRewrite): string {
  if (prefix === "") return location;
  if (location.startsWith("/") && !location.startsWith("//")) return prefix + location;
  for (const own of [`http://${authority}`, `//${authority}`]) {
    if (!location.toLowerCase().startsWith(own.toLowerCase())) continue;
    const rest = location.slice(own.length);
    if (rest === "") return `${prefix}/`;
    if (rest.startsWith("/")) return prefix + rest;
    if (rest.startsWith("?") || rest.startsWith("#")) return `${prefix}/${rest}`;
  }
  return location;
}
