import { sql } from "kysely";
import type { Kysely } from "kysely";
import type { Schema } from "../schema.ts";

/** Rejects unless the database answers. */
export async function pingDatabase(db: Kysely<Schema>): Promise<void> {
  await sql`select 1`.execute(db);
}
