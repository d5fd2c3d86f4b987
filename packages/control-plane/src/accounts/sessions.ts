import { createHash } from "node:crypto";
import { DAY_MS, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { sessionQueries } from "@wrenn/database";
import type { Database, Db, ListedSession, LiveSession, Trx } from "@wrenn/database";
import type { AccessTokens } from "./access-tokens.ts";
import type { ClientDetails } from "./client-details.ts";

const SESSION_MS = 30 * DAY_MS;
/** Two tabs that renew at once are one client, not a thief. */
const LEEWAY_MS = 10_000;
/** A revoked session, or a membership that ended, works at most this long, even when its revocation is not notified. */
const CACHE_MS = 2000;
const CACHE_SIZE = 10_000;
const TOKEN_BYTES = 32;
/** Logins that a list shows: those that were used last. */
const MOST_LISTED = 200;

/** What a client gets at a login: the access token for headers, the refresh token for the cookie. */
export interface OpenedSession {
  readonly session: LiveSession;
  readonly token: string;
  readonly refreshToken: string;
}

/** A login that counts once its transaction is committed. */
export type BegunSession = Omit<OpenedSession, "token">;

/** Whose login begins, and where. */
export interface NewLogin {
  readonly userId: string;
  readonly teamId: string;
  readonly client: ClientDetails;
  /** Name of the device whose login a person approved in a browser. */
  readonly device?: string;
  /** OAuth client id of a program that redirects a browser to itself. */
  readonly oauthClient?: string;
}

interface Cached {
  readonly session: LiveSession;
  readonly until: number;
}

/** Logins: opened by a password, renewed by refresh tokens that work once, ended for good when revoked. */
export class Sessions {
  readonly #database: Database;
  readonly #tokens: AccessTokens;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #cache = new Map<string, Cached>();

  constructor(database: Database, tokens: AccessTokens, clock: Clock, random: Random) {
    this.#database = database;
    this.#tokens = tokens;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Begins a login in the transaction in which its user was found, and held, to be active.
   *
   * @returns what makes the token, once the transaction is committed.
   */
  async begin(trx: Trx, { userId, teamId, client, device, oauthClient }: NewLogin): Promise<BegunSession> {
    const id = this.#random.uuid();
    const createdAt = this.#now();
    const expiresAt = new Date(createdAt.getTime() + SESSION_MS);
    await sessionQueries.insertSession(trx, {
      id,
      userId,
      teamId,
      client,
      device,
      oauthClient,
      createdAt,
      expiresAt,
    });
    return await this.#renew(trx, id);
  }

  /** What a client gets of a login that was begun. */
  async opened({ session, refreshToken }: BegunSession): Promise<OpenedSession> {
    return { session, token: await this.#tokens.sign(session), refreshToken };
  }

  /** @throws WrennError `refresh_token_invalid`; the session of a token that was used before is ended. */
  async refresh(refreshToken: string, client: ClientDetails): Promise<OpenedSession> {
    const used = await sessionQueries.useRefreshToken(
      this.#database.db,
      hashToken(refreshToken),
      this.#now(),
    );
    if (!used) throw new WrennError("refresh_token_invalid", {});
    if (used.usedBefore) {
      if (this.#clock.now() - used.usedBefore.getTime() > LEEWAY_MS) await this.revoke(used.sessionId);
      throw new WrennError("refresh_token_invalid", {});
    }
    const begun = await this.#renew(this.#database.db, used.sessionId);
    await sessionQueries.noteSessionUse(this.#database.db, used.sessionId, client, this.#now());
    return await this.opened(begun);
  }

  /** The login of a refresh token that could be used now; the token stays unused. */
  async peek(refreshToken: string): Promise<LiveSession | undefined> {
    const known = await sessionQueries.findSessionOfToken(this.#database.db, hashToken(refreshToken));
    if (!known || (known.usedBefore && this.#clock.now() - known.usedBefore.getTime() > LEEWAY_MS))
      return undefined;
    const session = await sessionQueries.findSession(
      this.#database.db,
      known.sessionId,
      undefined,
      this.#now(),
    );
    return session?.status === "active" ? session : undefined;
  }

  /** A login that lives and whose user belongs to the team; undefined otherwise. */
  async find(sessionId: string, teamId: string): Promise<LiveSession | undefined> {
    const session = await this.#find(sessionId, teamId);
    return session?.status === "active" ? session : undefined;
  }

  /** @throws WrennError `token_invalid`, `account_deactivated`. */
  async authenticate(token: string): Promise<LiveSession> {
    const { sessionId, teamId, userId } = await this.#tokens.verify(token);
    const session = await this.#find(sessionId, teamId);
    if (session?.userId !== userId) throw new WrennError("token_invalid", {});
    if (session.status !== "active") throw new WrennError("account_deactivated", {});
    return session;
  }

  /** Id of the session that a token was signed for; undefined for one that is not ours, or over. The database is not asked. */
  async signedSession(token: string): Promise<string | undefined> {
    try {
      return (await this.#tokens.verify(token)).sessionId;
    } catch (error) {
      if (WrennError.is(error, "token_invalid")) return undefined;
      throw error;
    }
  }

  /** @throws WrennError `not_a_member`. */
  async switchTeam(sessionId: string, teamId: string): Promise<{ session: LiveSession; token: string }> {
    const session = await sessionQueries.findSession(this.#database.db, sessionId, teamId, this.#now());
    if (!session) throw new WrennError("not_a_member", {});
    await sessionQueries.changeSessionTeam(this.#database.db, sessionId, teamId);
    return { session, token: await this.#tokens.sign(session) };
  }

  /** Token with what the session stands for now. */
  async reissue(sessionId: string, teamId: string): Promise<{ session: LiveSession; token: string }> {
    const session = await sessionQueries.findSession(this.#database.db, sessionId, teamId, this.#now());
    if (!session) throw new WrennError("token_invalid", {});
    return { session, token: await this.#tokens.sign(session) };
  }

  async revoke(sessionId: string): Promise<void> {
    await sessionQueries.revokeSession(this.#database.db, sessionId, this.#now());
    this.forget({ kind: "session", id: sessionId });
  }

  /** The logins of a user that live, those first that were used last. */
  async list(userId: string): Promise<readonly ListedSession[]> {
    return await sessionQueries.listSessions(this.#database.db, userId, this.#now(), MOST_LISTED);
  }

  /** Ends a login of a user. @throws WrennError `session_not_found`. */
  async endOne(userId: string, sessionId: string): Promise<void> {
    if (!(await sessionQueries.revokeSessionOf(this.#database.db, userId, sessionId, this.#now())))
      throw new WrennError("session_not_found", {});
    this.forget({ kind: "session", id: sessionId });
  }

  /** Ends the other logins of a user. @returns how many. */
  async endOthers({ id, userId }: Pick<LiveSession, "id" | "userId">): Promise<number> {
    const ended = await sessionQueries.revokeSessions(this.#database.db, userId, this.#now(), id);
    this.forget({ kind: "user", id: userId });
    return ended;
  }

  /**
   * Ends all sessions of a user, but the one to keep, in the transaction that changes the user, which comes first: a login that was
   * begun before is ended, and one that begins later sees the change. Call {@link forget} after the commit.
   */
  async endAll(trx: Trx, userId: string, keep?: string): Promise<void> {
    await sessionQueries.revokeSessions(trx, userId, this.#now(), keep);
  }

  /** Whether a login lives, as the transaction sees it. */
  async isLive(trx: Trx, sessionId: string): Promise<boolean> {
    return (await sessionQueries.findSession(trx, sessionId, undefined, this.#now())) !== undefined;
  }

  /** Lets what ended or changed count at once; without it everything is looked up again. */
  forget(ended?: { readonly kind: "session" | "user" | "team"; readonly id: string }): void {
    if (!ended) this.#cache.clear();
    else
      for (const [key, { session }] of this.#cache)
        if ({ session: session.id, user: session.userId, team: session.teamId }[ended.kind] === ended.id)
          this.#cache.delete(key);
  }

  async #find(sessionId: string, teamId: string): Promise<LiveSession | undefined> {
    const key = `${sessionId} ${teamId}`;
    const cached = this.#cache.get(key);
    if (cached && cached.until > this.#clock.monotonic()) return cached.session;
    const session = await sessionQueries.findSession(this.#database.db, sessionId, teamId, this.#now());
    if (!session) return undefined;
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    this.#cache.set(key, { session, until: this.#clock.monotonic() + CACHE_MS });
    return session;
  }

  async #renew(db: Db, sessionId: string): Promise<BegunSession> {
    const session = await sessionQueries.findSession(db, sessionId, undefined, this.#now());
    if (session?.status !== "active") throw new WrennError("refresh_token_invalid", {});
    const refreshToken = randomHex(this.#random, TOKEN_BYTES);
    await sessionQueries.insertRefreshToken(db, hashToken(refreshToken), sessionId);
    return { session, refreshToken };
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

/** Random tokens are stored as this only. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
