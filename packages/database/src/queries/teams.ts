import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

type Db = Kysely<Schema>;

export async function teamExists(db: Db, id: string): Promise<boolean> {
  return (await db.selectFrom("teams").select("id").where("id", "=", id).executeTakeFirst()) !== undefined;
}

export async function insertTeam(
  db: Db,
  team: { readonly id: string; readonly name: string; readonly slug: string },
): Promise<void> {
  await db
    .insertInto("teams")
    .values({ ...team, deleted_at: null })
    .execute();
}
