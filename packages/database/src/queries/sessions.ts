import type { Role } from "../account-tables.ts";
import type { Db, Trx } from "../schema.ts";

/** Where a login is used. */
export interface SessionClient {
  readonly address: string;
  readonly userAgent: string;
}

export interface NewSession {
  readonly id: string;
  readonly userId: string;
  readonly teamId: string;
  readonly client: SessionClient;
  /** Name of the device whose login a person approved. */
  readonly device: string | undefined;
  /** OAuth client id of a program that redirects a browser to itself. */
  readonly oauthClient: string | undefined;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export async function insertSession(db: Db, session: NewSession): Promise<void> {
  await db
    .insertInto("sessions")
    .values({
      id: session.id,
      user_id: session.userId,
      team_id: session.teamId,
      address: session.client.address,
      user_agent: session.client.userAgent,
      device: session.device ?? null,
      oauth_client: session.oauthClient ?? null,
      created_at: session.createdAt,
      last_used_at: session.createdAt,
      expires_at: session.expiresAt,
    })
    .execute();
}

/** Notes where and when the token of a session was renewed. */
export async function noteSessionUse(
  db: Db,
  id: string,
  { address, userAgent }: SessionClient,
  at: Date,
): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ address, user_agent: userAgent, last_used_at: at })
    .where("id", "=", id)
    .execute();
}

/** A live session as its user sees it in a list. */
export interface ListedSession {
  readonly id: string;
  readonly address: string;
  readonly userAgent: string;
  readonly device: string | null;
  readonly createdAt: Date;
  readonly lastUsedAt: Date;
  readonly expiresAt: Date;
}

/** The live sessions of a user, those first that were used last. */
export async function listSessions(
  db: Db,
  userId: string,
  now: Date,
  most: number,
): Promise<readonly ListedSession[]> {
  return await db
    .selectFrom("sessions")
    .select([
      "id",
      "address",
      "user_agent as userAgent",
      "device",
      "created_at as createdAt",
      "last_used_at as lastUsedAt",
      "expires_at as expiresAt",
    ])
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", now)
    .orderBy("last_used_at", "desc")
    .orderBy("id")
    .limit(most)
    .execute();
}

/** What a live session stands for at this moment. */
export interface LiveSession {
  readonly id: string;
  readonly userId: string;
  readonly teamId: string;
  readonly role: Role;
  readonly status: string;
  readonly isAdmin: boolean;
  readonly email: string;
  readonly name: string;
}

/**
 * A session that is neither over nor revoked, with the membership of its user in `teamId`, or in the team it last
 * turned to; undefined when any of it is gone.
 */
export async function findSession(
  db: Db,
  id: string,
  teamId: string | undefined,
  now: Date,
): Promise<LiveSession | undefined> {
  return await liveSessions(db, now)
    .where("sessions.id", "=", id)
    .where((eb) =>
      eb("memberships.team_id", "=", teamId === undefined ? eb.ref("sessions.team_id") : eb.val(teamId)),
    )
    .executeTakeFirst();
}

/** Sessions that are neither over nor revoked, each once for every team that its user belongs to. */
function liveSessions(db: Db, now: Date) {
  return db
    .selectFrom("sessions")
    .innerJoin("users", "users.id", "sessions.user_id")
    .innerJoin("memberships", "memberships.user_id", "sessions.user_id")
    .innerJoin("teams", "teams.id", "memberships.team_id")
    .select([
      "sessions.id as id",
      "sessions.user_id as userId",
      "memberships.team_id as teamId",
      "memberships.role as role",
      "users.status as status",
      "users.is_admin as isAdmin",
      "users.email as email",
      "users.name as name",
    ])
    .where("sessions.revoked_at", "is", null)
    .where("sessions.expires_at", ">", now)
    .where("teams.deleted_at", "is", null);
}

/**
 * The session as {@link findSession} finds it, and unchanged until the end of the transaction: neither the login, nor the membership, nor
 * the account can end before what the transaction makes in their name exists, and ends with them.
 */
export async function lockSession(
  trx: Trx,
  id: string,
  teamId: string,
  now: Date,
): Promise<LiveSession | undefined> {
  return await liveSessions(trx, now)
    .where("sessions.id", "=", id)
    .where("memberships.team_id", "=", teamId)
    .where("users.status", "=", "active")
    // The user first, as by what ends the sessions of one: neither then waits for the other.
    .forShare(["users", "memberships", "sessions"])
    .executeTakeFirst();
}

/** The program that a login was given to by a redirect. */
export interface ProgramOfSession {
  readonly oauthClient: string;
  readonly name: string;
  readonly expiresAt: Date;
}

/** The program of a session; undefined for sessions of browsers and devices. */
export async function findProgramOfSession(db: Db, id: string): Promise<ProgramOfSession | undefined> {
  const row = await db
    .selectFrom("sessions")
    .select(["oauth_client as oauthClient", "device as name", "expires_at as expiresAt"])
    .where("id", "=", id)
    .executeTakeFirst();
  const { oauthClient = null, name = null, expiresAt } = row ?? {};
  return oauthClient === null || expiresAt === undefined
    ? undefined
    : { oauthClient, name: name ?? oauthClient, expiresAt };
}

export async function changeSessionTeam(db: Db, id: string, teamId: string): Promise<void> {
  await db.updateTable("sessions").set({ team_id: teamId }).where("id", "=", id).execute();
}

export async function revokeSession(db: Db, id: string, at: Date): Promise<void> {
  await db
    .updateTable("sessions")
    .set({ revoked_at: at })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .execute();
}

/** Ends one session of a user. @returns false where the user has no such session that lives. */
export async function revokeSessionOf(db: Db, userId: string, id: string, at: Date): Promise<boolean> {
  const result = await db
    .updateTable("sessions")
    .set({ revoked_at: at })
    .where("id", "=", id)
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null)
    .where("expires_at", ">", at)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Ends every session of a user, but the one to keep. @returns how many ended. */
export async function revokeSessions(db: Db, userId: string, at: Date, keep?: string): Promise<number> {
  const sessions = db
    .updateTable("sessions")
    .set({ revoked_at: at })
    .where("user_id", "=", userId)
    .where("revoked_at", "is", null);
  const ended = await (keep === undefined ? sessions : sessions.where("id", "<>", keep)).executeTakeFirst();
  return Number(ended.numUpdatedRows);
}

export async function insertRefreshToken(db: Db, hash: string, sessionId: string): Promise<void> {
  await db.insertInto("refresh_tokens").values({ hash, session_id: sessionId }).execute();
}

/**
 * Uses a refresh token up.
 *
 * @returns its session, and when it had been used before; undefined for a token that was never given out.
 */
export async function useRefreshToken(
  db: Db,
  hash: string,
  at: Date,
): Promise<{ readonly sessionId: string; readonly usedBefore: Date | null } | undefined> {
  const used = await db
    .updateTable("refresh_tokens")
    .set({ used_at: at })
    .where("hash", "=", hash)
    .where("used_at", "is", null)
    .returning("session_id as sessionId")
    .executeTakeFirst();
  return used ? { sessionId: used.sessionId, usedBefore: null } : await findSessionOfToken(db, hash);
}

/** The session of a refresh token, and when it was used; undefined for a token that was never given out. */
export async function findSessionOfToken(
  db: Db,
  hash: string,
): Promise<{ readonly sessionId: string; readonly usedBefore: Date | null } | undefined> {
  return await db
    .selectFrom("refresh_tokens")
    .select(["session_id as sessionId", "used_at as usedBefore"])
    .where("hash", "=", hash)
    .executeTakeFirst();
}
