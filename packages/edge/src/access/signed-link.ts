import type { PortTarget } from "../port-target.ts";
import { signToken, verifyToken } from "./signed-token.ts";

/** Name of the query parameter, and of the cookie that a followed link becomes. */
export const LINK_PARAMETER = "wrenn_token";
export const LINK_COOKIE = "wrenn_port";

const PURPOSE = "port link";

/** A link as the platform keeps it. */
export interface LinkRecord {
  /** Of letters, digits, `_` and `-`. */
  readonly id: string;
  /** Ms since the epoch. */
  readonly expiresAt: number;
}

/** Makes the token of a link to one port, for everyone who has it. Whether the link still works is looked up by its id. */
export function signLink(key: Uint8Array, target: PortTarget, { id, expiresAt }: LinkRecord): string {
  return signToken(key, PURPOSE, target, [id], expiresAt);
}

/** The link of a token; undefined when it is not one of this port, or is over. Tokens of earlier versions name no link: their id is undefined. */
export function verifyLink(
  key: Uint8Array,
  target: PortTarget,
  token: string,
  now: number,
): { readonly id: string | undefined; readonly expiresAt: number } | undefined {
  const verified = verifyToken(key, PURPOSE, target, token, now);
  return verified && { id: verified.fields[0], expiresAt: verified.expiresAt };
}
