import { accessQueries } from "@wrenn/database";
import type { Db } from "@wrenn/database";
import { formatId, parseId } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { Identity, Scope } from "./identity.ts";

/** What the access of a request or connection rests on; ids are UUIDs. */
export type AccessGrant =
  | { readonly kind: "key"; readonly keyId: string; readonly teamId: string; readonly scope: Scope }
  | {
      readonly kind: "session";
      readonly sessionId: string;
      readonly userId: string;
      readonly teamId: string;
    }
  | { readonly kind: "administrator"; readonly userId: string }
  | { readonly kind: "link"; readonly linkId: string }
  /** The public id of a capsule: requests to public ports are many. */
  | { readonly kind: "public"; readonly capsuleId: string; readonly port: number };

/** Something that access may have rested on has ended or changed. */
export interface Revocation {
  readonly kind: "key" | "session" | "user" | "team" | "link" | "ports";
  /** UUID of the key, session, user, team or link; public id of the capsule for its ports. */
  readonly id: string;
}

/** What a request of an identity rests on, that needs this scope. */
export function grantOf({ key, session, teamId }: Identity, scope: Scope): AccessGrant {
  if (session) return { kind: "session", sessionId: session.id, userId: session.userId, teamId };
  if (key) return { kind: "key", keyId: key.id, teamId, scope };
  throw new Error("an identity has neither key nor session");
}

/** What a request of an administrator rests on in addition. */
export function administratorGrant({ session }: Identity): AccessGrant {
  if (!session) throw new Error("an administrator has no session");
  return { kind: "administrator", userId: session.userId };
}

/** The same text for grants that end together, and for no others. */
export function grantName(grant: AccessGrant): string {
  return Object.values(grant).join(" ");
}

/** The revocations that may end a grant, each as {@link revocationName}. */
export function revocableBy(grant: AccessGrant): readonly string[] {
  switch (grant.kind) {
    case "key":
      return [`key ${grant.keyId}`, `team ${grant.teamId}`];
    case "session":
      return [`session ${grant.sessionId}`, `user ${grant.userId}`, `team ${grant.teamId}`];
    case "administrator":
      return [`user ${grant.userId}`];
    case "link":
      return [`link ${grant.linkId}`];
    case "public":
      return [`ports ${grant.capsuleId}`];
  }
}

export function revocationName({ kind, id }: Revocation): string {
  return `${kind} ${id}`;
}

type OfKind<K extends AccessGrant["kind"]> = Extract<AccessGrant, { readonly kind: K }>;

/** Finds out which grants hold: a few queries, however many grants there are. */
export class GrantCheck {
  readonly #db: Db;
  readonly #clock: Clock;

  constructor(db: Db, clock: Clock) {
    this.#db = db;
    this.#clock = clock;
  }

  /** Those of the grants that hold. */
  async live(grants: readonly AccessGrant[]): Promise<ReadonlySet<AccessGrant>> {
    const lists = await Promise.all([
      this.#keys(ofKind(grants, "key")),
      this.#sessions(ofKind(grants, "session")),
      this.#administrators(ofKind(grants, "administrator")),
      this.#links(ofKind(grants, "link")),
      this.#publicPorts(ofKind(grants, "public")),
    ]);
    return new Set(lists.flat());
  }

  async #keys(grants: readonly OfKind<"key">[]): Promise<readonly AccessGrant[]> {
    if (grants.length === 0) return [];
    const ids = unique(grants.map(({ keyId }) => keyId));
    const rows = await accessQueries.findLiveKeys(this.#db, ids, this.#now());
    const keys = new Map(rows.map((row) => [row.id, row]));
    return grants.filter((grant) => {
      const key = keys.get(grant.keyId);
      return key?.teamId === grant.teamId && key.scopes.includes(grant.scope);
    });
  }

  async #sessions(grants: readonly OfKind<"session">[]): Promise<readonly AccessGrant[]> {
    if (grants.length === 0) return [];
    const rows = await accessQueries.findLiveSessions(
      this.#db,
      unique(grants.map(({ sessionId }) => sessionId)),
      unique(grants.map(({ teamId }) => teamId)),
      this.#now(),
    );
    const live = new Set(rows.map(({ id, teamId }) => `${id} ${teamId}`));
    return grants.filter(({ sessionId, teamId }) => live.has(`${sessionId} ${teamId}`));
  }

  async #administrators(grants: readonly OfKind<"administrator">[]): Promise<readonly AccessGrant[]> {
    if (grants.length === 0) return [];
    const ids = unique(grants.map(({ userId }) => userId));
    const live = new Set(await accessQueries.findLiveAdministrators(this.#db, ids));
    return grants.filter(({ userId }) => live.has(userId));
  }

  async #links(grants: readonly OfKind<"link">[]): Promise<readonly AccessGrant[]> {
    if (grants.length === 0) return [];
    const ids = unique(grants.map(({ linkId }) => linkId));
    const live = new Set(await accessQueries.findLiveLinks(this.#db, ids, this.#now()));
    return grants.filter(({ linkId }) => live.has(linkId));
  }

  async #publicPorts(grants: readonly OfKind<"public">[]): Promise<readonly AccessGrant[]> {
    if (grants.length === 0) return [];
    const ids = unique(grants.map(({ capsuleId }) => capsuleId)).map((id) => parseId("capsule", id));
    const rows = await accessQueries.findPublicPorts(this.#db, ids);
    const live = new Set(rows.map(({ capsuleId, port }) => `${formatId("capsule", capsuleId)} ${port}`));
    return grants.filter(
      ({ capsuleId, port }) => live.has(`${capsuleId} ${port}`) || live.has(`${capsuleId} 0`),
    );
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

function ofKind<K extends AccessGrant["kind"]>(
  grants: readonly AccessGrant[],
  kind: K,
): readonly OfKind<K>[] {
  return grants.filter((grant): grant is OfKind<K> => grant.kind === kind);
}

function unique(ids: readonly string[]): readonly string[] {
  return [...new Set(ids)];
}
