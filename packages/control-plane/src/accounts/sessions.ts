import { createHash } from "node:crypto";
import { DAY_MS, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { sessionQueries } from "@wrenn/database";
import type { Database, LiveSession } from "@wrenn/database";
import type { AccessTokens } from "./access-tokens.ts";

const SESSION_MS = 30 * DAY_MS;
/** Two tabs that renew at once are one client, not a thief. */
const LEEWAY_MS = 10_000;
/** A revoked session, or a membership that ended, works at most this long, even when its revocation is not notified. */
const CACHE_MS = 2000;
const CACHE_SIZE = 10_000;
const TOKEN_BYTES = 32;

/** What a client gets at a login: the access token for headers, the refresh token for the cookie. */
export interface OpenedSession {
  readonly session: LiveSession;
  readonly token: string;
  readonly refreshToken: string;
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

  async open(userId: string, teamId: string): Promise<OpenedSession> {
    const id = this.#random.uuid();
    const expiresAt = new Date(this.#clock.now() + SESSION_MS);
    await sessionQueries.insertSession(this.#database.db, { id, userId, teamId, expiresAt });
    return await this.#renew(id);
  }

  /** @throws WrennError `refresh_token_invalid`; the session of a token that was used before is ended. */
  async refresh(refreshToken: string): Promise<OpenedSession> {
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
    return await this.#renew(used.sessionId);
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
    this.forget();
  }

  /** Ends all sessions of a user, but the one to keep. */
  async revokeAll(userId: string, keep?: string): Promise<void> {
    await sessionQueries.revokeSessions(this.#database.db, userId, this.#now(), keep);
    this.forget();
  }

  /** Lets changes of memberships count at once. */
  forget(): void {
    this.#cache.clear();
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

  async #renew(sessionId: string): Promise<OpenedSession> {
    const session = await sessionQueries.findSession(this.#database.db, sessionId, undefined, this.#now());
    if (session?.status !== "active") throw new WrennError("refresh_token_invalid", {});
    const refreshToken = randomHex(this.#random, TOKEN_BYTES);
    await sessionQueries.insertRefreshToken(this.#database.db, hashToken(refreshToken), sessionId);
    return { session, token: await this.#tokens.sign(session), refreshToken };
  }

  #now(): Date {
    return new Date(this.#clock.now());
  }
}

/** Random tokens are stored as this only. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
