import { createHmac, timingSafeEqual } from "node:crypto";
import type { PortTarget } from "../port-target.ts";

/** Name of the query parameter, and of the cookie that a followed link becomes. */
export const LINK_PARAMETER = "wrenn_token";
export const LINK_COOKIE = "wrenn_port";

const TOKEN = /^([0-9a-z]{1,11})\.([\w-]{43})$/;

/**
 * Makes the token of a link to one port that works for whoever holds it until `expiresAt` (ms since the epoch).
 * The token says nothing but its end; it is bound to capsule and port by an HMAC-SHA-256 under the server's key.
 */
export function signLink(key: Uint8Array, target: PortTarget, expiresAt: number): string {
  const expiry = Math.floor(expiresAt / 1000).toString(36);
  return `${expiry}.${macOf(key, target, expiry).toString("base64url")}`;
}

/** When the token ends, in ms since the epoch; undefined when it is not one of this port, or is over. */
export function verifyLink(
  key: Uint8Array,
  target: PortTarget,
  token: string,
  now: number,
): number | undefined {
  const match = TOKEN.exec(token);
  const [, expiry = "", mac = ""] = match ?? [];
  if (!match) return undefined;
  const given = Buffer.from(mac, "base64url");
  const expected = macOf(key, target, expiry);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const expiresAt = Number.parseInt(expiry, 36) * 1000;
  return expiresAt > now ? expiresAt : undefined;
}

/** Takes the token out of a raw request target; every other byte of it stays as it was. */
export function takeLinkToken(url: string): { readonly url: string; readonly token: string | undefined } {
  const at = url.indexOf("?");
  if (at === -1 || !url.includes(`${LINK_PARAMETER}=`, at)) return { url, token: undefined };
  let token: string | undefined;
  const kept = url
    .slice(at + 1)
    .split("&")
    .filter((pair) => {
      if (!pair.startsWith(`${LINK_PARAMETER}=`)) return true;
      token ??= pair.slice(LINK_PARAMETER.length + 1);
      return false;
    });
  return { url: url.slice(0, at) + (kept.length > 0 ? `?${kept.join("&")}` : ""), token };
}

function macOf(key: Uint8Array, target: PortTarget, expiry: string): Buffer {
  return createHmac("sha256", key)
    .update(`wrenn port link 1\n${target.capsuleId}\n${target.port}\n${expiry}`)
    .digest();
}
