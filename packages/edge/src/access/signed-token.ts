import { createHmac, timingSafeEqual } from "node:crypto";
import type { PortTarget } from "../port-target.ts";

const SHAPE = /^([0-9a-z]{1,11})((?:\.[\w-]{1,64}){0,4})\.([\w-]{43})$/;

/** What a token that holds says. */
export interface VerifiedToken {
  readonly fields: readonly string[];
  /** Ms since the epoch. */
  readonly expiresAt: number;
}

/**
 * Makes a token for one port and one purpose that says its end and these fields, bound to all of it by an HMAC-SHA-256 under
 * the server's key.
 *
 * @param fields - of letters, digits, `_` and `-`.
 * @param expiresAt - ms since the epoch.
 */
export function signToken(
  key: Uint8Array,
  purpose: string,
  target: PortTarget,
  fields: readonly string[],
  expiresAt: number,
): string {
  const said = [Math.floor(expiresAt / 1000).toString(36), ...fields];
  return [...said, macOf(key, purpose, target, said).toString("base64url")].join(".");
}

/** What the token says; undefined when it is none of this port and purpose, or over at `now` (ms since the epoch). */
export function verifyToken(
  key: Uint8Array,
  purpose: string,
  target: PortTarget,
  token: string,
  now: number,
): VerifiedToken | undefined {
  const match = SHAPE.exec(token);
  const [, expiry = "", rest = "", mac = ""] = match ?? [];
  if (!match) return undefined;
  const fields = rest.split(".").slice(1);
  const given = Buffer.from(mac, "base64url");
  const expected = macOf(key, purpose, target, [expiry, ...fields]);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const expiresAt = Number.parseInt(expiry, 36) * 1000;
  return expiresAt > now ? { fields, expiresAt } : undefined;
}

function macOf(key: Uint8Array, purpose: string, target: PortTarget, said: readonly string[]): Buffer {
  return createHmac("sha256", key)
    .update(["wrenn", purpose, "1", target.capsuleId, String(target.port), ...said].join("\n"))
    .digest();
}
