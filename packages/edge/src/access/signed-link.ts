import type { PortTarget } from "../port-target.ts";
import { signToken, verifyToken } from "./signed-token.ts";

/** Name of the query parameter, and of the cookie that a followed link becomes. */
export const LINK_PARAMETER = "wrenn_token";
export const LINK_COOKIE = "wrenn_port";

const PURPOSE = "port link";

/** Makes the token of a link to one port that works for whoever holds it until `expiresAt` (ms since the epoch). */
export function signLink(key: Uint8Array, target: PortTarget, expiresAt: number): string {
  return signToken(key, PURPOSE, target, [], expiresAt);
}

/** When the token ends, in ms since the epoch; undefined when it is not one of this port, or is over. */
export function verifyLink(
  key: Uint8Array,
  target: PortTarget,
  token: string,
  now: number,
): number | undefined {
  return verifyToken(key, PURPOSE, target, token, now)?.expiresAt;
}
