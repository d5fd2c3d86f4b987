import type { PortTarget } from "../port-target.ts";
import { holdsPlatformCredential, percentDecoded } from "./platform-credentials.ts";

/** Cookies with these names belong to the platform: guests neither see nor set them. */
const PLATFORM_COOKIE = /^(?:__[a-z-]+-)?wrenn_/i;
/** Before a name that some parser reads without it: a browser sends a nameless cookie without its first `=`. */
const BEFORE_NAME = /^[\s="'$,]+/;

/** A page of another capsule may have set cookies of the same name for the whole domain. */
const MOST_VALUES = 4;

/**
 * The name that a cookie of the edge has. Browsers keep names with `__Host-` for the host itself, so that no page of a
 * neighbour can set one (RFC 6265bis §4.1.3.2); that takes TLS and a cookie for all paths.
 */
export function cookieName(base: string, protocol: "http" | "https", prefix: string): string {
  return protocol === "https" && prefix === "" ? `__Host-${base}` : base;
}

/** The values of a cookie in a Cookie header, the first few of them. */
export function cookieValues(header: string, name: string): string[] {
  const pairs = header.split(";").map(splitPair);
  return pairs
    .filter(([key]) => key === name)
    .map(([, value]) => value)
    .slice(0, MOST_VALUES);
}

/**
 * What names of a service's cookies begin with in a browser where services share a host name (the path form); a name with it
 * comes back to this service only, and what others set on the host never reaches it.
 */
export function cookieTag({ capsuleId, port }: PortTarget): string {
  return `${port}-${capsuleId}.`;
}

/**
 * A Cookie header as the service gets it: without the platform's cookies, and with a `tag` only those that this service set.
 *
 * @param tag - of the path form, else empty.
 * @returns undefined when nothing is left.
 */
export function cookiesForService(header: string, tag: string): string | undefined {
  const kept = header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "" && pair.startsWith(tag))
    .map((pair) => pair.slice(tag.length))
    .filter((pair) => !isPlatformCookie(pair) && !holdsPlatformCredential(pair));
  return kept.length > 0 ? kept.join("; ") : undefined;
}

/** Where the cookies of a service are kept on a host name that it shares with others; both empty on its own. */
export interface SharedHost {
  /** `/proxy/{id}/{port}`. */
  readonly prefix: string;
  readonly tag: string;
}

/**
 * A guest's Set-Cookie as a browser may see it. A Domain attribute is removed, so that a capsule can set cookies
 * for itself but not for other capsules or the platform; on a shared host its path lies below the prefix.
 *
 * @returns undefined when the cookie has a name of the platform.
 */
export function guestSetCookie(value: string, { prefix, tag }: SharedHost): string | undefined {
  const [pair = "", ...attributes] = value.split(";");
  if (isPlatformCookie(pair)) return undefined;
  const kept = attributes.filter((attribute) => splitPair(attribute)[0].toLowerCase() !== "domain");
  if (prefix === "") return [pair, ...kept].join(";");
  const others = kept.filter((attribute) => splitPair(attribute)[0].toLowerCase() !== "path");
  const path = kept.findLast((attribute) => splitPair(attribute)[0].toLowerCase() === "path");
  const below = path === undefined ? "" : splitPair(path)[1];
  return [`${tag}${pair.trim()}`, ...others, ` Path=${prefix}${below.startsWith("/") ? below : "/"}`].join(
    ";",
  );
}

/** Whether any reading of a pair gives it a name of the platform. */
function isPlatformCookie(pair: string): boolean {
  return [pair, percentDecoded(pair)].some((text) => PLATFORM_COOKIE.test(text.replace(BEFORE_NAME, "")));
}

function splitPair(pair: string): readonly [string, string] {
  const at = pair.indexOf("=");
  return at === -1 ? [pair.trim(), ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
}
