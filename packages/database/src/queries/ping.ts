import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** Rejects unless the database answers. */
export async function pingDatabase(db: Db): Promise<void> {
  await sql`select 1`.execute(db);
}
