/** Cookies with these names belong to the platform: guests neither see nor set them. */
const PLATFORM_COOKIE = /^(?:__host-|__secure-)?wrenn_/i;

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

/** A Cookie header without the platform's cookies; undefined when nothing is left. */
export function withoutPlatformCookies(header: string): string | undefined {
  const kept = header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "" && !PLATFORM_COOKIE.test(splitPair(pair)[0]));
  return kept.length > 0 ? kept.join("; ") : undefined;
}

/**
 * A guest's Set-Cookie as a browser may see it. A Domain attribute is taken away, so that a capsule can set cookies
 * for itself but not for other capsules or the platform; a path of the service is put below `prefix`.
 *
 * @returns undefined when the cookie has a name of the platform.
 */
export function guestSetCookie(value: string, prefix: string): string | undefined {
  const [pair = "", ...attributes] = value.split(";");
  if (PLATFORM_COOKIE.test(splitPair(pair)[0])) return undefined;
  const kept = attributes.filter((attribute) => splitPair(attribute)[0].toLowerCase() !== "domain");
  if (prefix === "") return [pair, ...kept].join(";");
  const paths = kept.map((attribute) => {
    const [name, path] = splitPair(attribute);
    return name.toLowerCase() === "path" && path.startsWith("/") ? ` Path=${prefix}${path}` : attribute;
  });
  return [pair, ...paths].join(";");
}

function splitPair(pair: string): readonly [string, string] {
  const at = pair.indexOf("=");
  return at === -1 ? [pair.trim(), ""] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
}
