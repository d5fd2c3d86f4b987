import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

type Db = Kysely<Schema>;

/** Team and key that a hash belongs to; undefined when there is none or its team is deleted. */
export async function findApiKey(
  db: Db,
  hash: string,
): Promise<{ readonly keyId: string; readonly teamId: string } | undefined> {
  return await db
    .selectFrom("api_keys")
    .innerJoin("teams", "teams.id", "api_keys.team_id")
    .select(["api_keys.id as keyId", "api_keys.team_id as teamId"])
    .where("api_keys.key_hash", "=", hash)
    .where("teams.deleted_at", "is", null)
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
  },
): Promise<void> {
  await db
    .insertInto("api_keys")
    .values({
      id: key.id,
      team_id: key.teamId,
      name: key.name,
      key_hash: key.hash,
      key_prefix: key.prefix,
      last_used: null,
    })
    .execute();
}

/** Marks keys as used just now; called for many requests at once. */
export async function touchApiKeys(db: Db, ids: readonly string[], at: Date): Promise<void> {
  if (ids.length > 0)
    await db.updateTable("api_keys").set({ last_used: at }).where("id", "in", ids).execute();
}
