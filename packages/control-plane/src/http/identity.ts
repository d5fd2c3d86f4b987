import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";
import type { LiveSession } from "@wrenn/database";

const BEARER = /^Bearer +([\w.~+/=-]{1,8192})$/i;

/** Owns the templates that every team sees (docs/reference/values.md#platform-team). */
export const PLATFORM_TEAM = "00000000-0000-0000-0000-000000000000";

/** What an API key may do: look, use capsules, change what outlives them, make ports reachable, and change what capsules reach. */
export const scopes = ["read", "run", "manage", "ports", "egress"] as const;
export type Scope = (typeof scopes)[number];

/** Who a request acts for: the team of a key, or a person in one of their teams. */
export interface Identity {
  readonly teamId: string;
  /** What a key may do; a person may do what their role says. */
  readonly key?: { readonly id: string; readonly name: string; readonly scopes: readonly Scope[] };
  readonly session?: LiveSession;
}

/** Finds the identity that a request's credentials stand for. */
export interface RequestAuthenticator {
  /** @throws WrennError when the credentials are missing or not valid. */
  authenticate(headers: IncomingHttpHeaders): Promise<Identity>;
  /** Id of the session that a token was signed for, without a look whether it lives; undefined for a token that is not good. */
  signedSession?(token: string): Promise<string | undefined>;
}

/** The token of an Authorization header, however the client writes the rest; undefined when there is none. */
export function bearerToken({ authorization = "" }: IncomingHttpHeaders): string | undefined {
  return BEARER.exec(authorization)?.[1];
}

/** @throws WrennError `scope_missing`; people have every scope. */
export function requireScope(identity: Identity, scope: Scope): void {
  if (identity.key && !identity.key.scopes.includes(scope)) throw new WrennError("scope_missing", { scope });
}

/** @throws WrennError `session_required` for a key, or `role_missing`. */
export function requireRole(identity: Identity, least: "admin" | "owner"): LiveSession {
  const { session } = identity;
  if (!session) throw new WrennError("session_required", {});
  const enough = session.role === "owner" || session.role === least;
  if (!enough) throw new WrennError("role_missing", { role: least });
  return session;
}
