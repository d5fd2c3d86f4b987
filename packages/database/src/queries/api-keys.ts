import type { Selectable } from "kysely";
import type { ApiKeyScope } from "../account-tables.ts";
import type { ApiKeysTable, Db, Trx } from "../schema.ts";

export type ApiKeyRow = Selectable<ApiKeysTable>;

/** What a key stands for. */
export interface KeyGrant {
  readonly keyId: string;
  readonly teamId: string;
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly expiresAt: Date | null;
}

/** Grant of the key with this hash; undefined when there is none, it has expired, or its team is deleted. */
export async function findApiKey(db: Db, hash: string, now: Date): Promise<KeyGrant | undefined> {
  return await db
    .selectFrom("api_keys")
    .innerJoin("teams", "teams.id", "api_keys.team_id")
    .select([
      "api_keys.id as keyId",
      "api_keys.team_id as teamId",
      "api_keys.name as name",
      "api_keys.scopes as scopes",
      "api_keys.expires_at as expiresAt",
    ])
    .where("api_keys.key_hash", "=", hash)
    .where((eb) => eb.or([eb("api_keys.expires_at", "is", null), eb("api_keys.expires_at", ">", now)]))
    .where("teams.deleted_at", "is", null)
    .executeTakeFirst();
}

/** A key that works, and is there until the end of the transaction, with its end; undefined when it does not work. */
export async function lockApiKey(
  trx: Trx,
  id: string,
  now: Date,
): Promise<{ readonly id: string; readonly expiresAt: Date | null } | undefined> {
  return await trx
    .selectFrom("api_keys")
    .select(["id", "expires_at as expiresAt"])
    .where("id", "=", id)
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", now)]))
    .forShare()
    .executeTakeFirst();
}

export async function insertApiKey(
  db: Db,
  key: {
    readonly id: string;
    readonly teamId: string;
    readonly name: string;
    readonly hash: string;
    readonly prefix: string;
    readonly createdBy?: string;
    readonly scopes?: readonly ApiKeyScope[];
    readonly expiresAt?: Date;
    /** The login that it is made for. */
    readonly sessionId?: string;
  },
): Promise<ApiKeyRow> {
  return await db
    .insertInto("api_keys")
    .values({
      id: key.id,
      team_id: key.teamId,
      name: key.name,
      key_hash: key.hash,
      key_prefix: key.prefix,
      last_used: null,
      created_by: key.createdBy,
      expires_at: key.expiresAt,
      session_id: key.sessionId,
      ...(key.scopes ? { scopes: [...key.scopes] } : {}),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Keys of a team with the address of who made them, newest first. */
export async function listApiKeys(
  db: Db,
  teamId: string,
): Promise<readonly (ApiKeyRow & { readonly creator_email: string | null })[]> {
  return await db
    .selectFrom("api_keys")
    .leftJoin("users", "users.id", "api_keys.created_by")
    .selectAll("api_keys")
    .select("users.email as creator_email")
    .where("api_keys.team_id", "=", teamId)
    .orderBy("api_keys.created_at", "desc")
    .orderBy("api_keys.id")
    .execute();
}

/** Ids of the keys of a login, by team. */
export async function findKeysOfSession(db: Db, sessionId: string): Promise<ReadonlyMap<string, string>> {
  const rows = await db
    .selectFrom("api_keys")
    .select(["id", "team_id as teamId"])
    .where("session_id", "=", sessionId)
    .execute();
  return new Map(rows.map(({ id, teamId }) => [teamId, id]));
}

/** Names a key of a team; answers it when it is there. */
export async function renameApiKey(
  db: Db,
  teamId: string,
  id: string,
  name: string,
): Promise<ApiKeyRow | undefined> {
  return await db
    .updateTable("api_keys")
    .set({ name })
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .returningAll()
    .executeTakeFirst();
}

/** Removes a key of a team; answers it when it was there. */
export async function deleteApiKey(db: Db, teamId: string, id: string): Promise<ApiKeyRow | undefined> {
  return await db
    .deleteFrom("api_keys")
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .returningAll()
    .executeTakeFirst();
}

/** Marks keys as used just now; called for many requests at once. */
export async function touchApiKeys(db: Db, ids: readonly string[], at: Date): Promise<void> {
  if (ids.length > 0)
    await db.updateTable("api_keys").set({ last_used: at }).where("id", "in", ids).execute();
}
