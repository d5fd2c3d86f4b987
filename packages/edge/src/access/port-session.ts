import { createHash } from "node:crypto";
import type { PortTarget } from "../port-target.ts";
import { signToken, verifyToken } from "./signed-token.ts";

/**
 * How a person who is logged in at the platform opens a private port in a browser, without the login itself ever being sent to
 * the port's host name: the edge gives the browser a random hop cookie and sends it to the platform's sign-in with the cookie's
 * hash; the platform, which sees its own cookie, sends it back with a ticket for that hash; the edge turns the ticket into a
 * cookie that names the login and is good for this port only. The login is looked up at every request: one that was ended ends
 * this too.
 */
export const TICKET_PARAMETER = "wrenn_ticket";
export const HOP_COOKIE = "wrenn_hop";
export const SESSION_COOKIE = "wrenn_session";

/** For the way from the platform back to the port. */
const TICKET_MS = 60_000;
const SESSION_MS = 12 * 3_600_000;
export const HOP_SEC = 600;

const TICKET = "port ticket";
const SESSION = "port session";

/** What of the hop cookie leaves the port's own host name. */
export function bindingOf(hop: string): string {
  return createHash("sha256").update(hop).digest("base64url");
}

/** A ticket for the browser that holds the hop cookie. @param sessionId - UUID of a login. */
export function signTicket(
  key: Uint8Array,
  target: PortTarget,
  sessionId: string,
  binding: string,
  now: number,
): string {
  return signToken(key, TICKET, target, [sessionId, binding], now + TICKET_MS);
}

/** The login that a ticket was given for; undefined for one that is over, or belongs to another port or browser. */
export function verifyTicket(
  key: Uint8Array,
  target: PortTarget,
  ticket: string,
  hops: readonly string[],
  now: number,
): string | undefined {
  const [sessionId, binding] = verifyToken(key, TICKET, target, ticket, now)?.fields ?? [];
  return hops.some((hop) => bindingOf(hop) === binding) ? sessionId : undefined;
}

/** Value of the session cookie, and when it ends in ms since the epoch. */
export function signSession(
  key: Uint8Array,
  target: PortTarget,
  sessionId: string,
  now: number,
): { readonly token: string; readonly expiresAt: number } {
  const expiresAt = now + SESSION_MS;
  return { token: signToken(key, SESSION, target, [sessionId], expiresAt), expiresAt };
}

/** The login that a session cookie stands for. */
export function verifySession(
  key: Uint8Array,
  target: PortTarget,
  token: string,
  now: number,
): string | undefined {
  return verifyToken(key, SESSION, target, token, now)?.fields[0];
}
