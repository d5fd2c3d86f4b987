import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** Has a host remove files of a template after `inMs`, unless they get a name before; again: at another time. */
export async function discardTemplate(
  db: Db,
  files: {
    readonly hostKey: string;
    readonly hostId: string;
    /** Whose quota they count against until they are gone; without it, as before. */
    readonly counted?: { readonly teamId: string; readonly sizeBytes: number };
  },
  inMs: number,
): Promise<void> {
  const due_at = sql<Date>`now() + ${inMs} * interval '1 ms'`;
  await db
    .insertInto("discarded_templates")
    .values({
      host_key: files.hostKey,
      host_id: files.hostId,
      due_at,
      ...(files.counted && { team_id: files.counted.teamId, size_bytes: files.counted.sizeBytes }),
    })
    .onConflict((conflict) => conflict.columns(["host_key", "host_id"]).doUpdateSet({ due_at }))
    .execute();
}

/** Files that would be removed later are removed after `inMs`. Files that have a name, or that were not begun, stay as they are. */
export async function hastenDiscard(db: Db, hostKeys: readonly string[], inMs: number): Promise<void> {
  if (hostKeys.length === 0) return;
  await db
    .updateTable("discarded_templates")
    .set({ due_at: sql<Date>`least(due_at, now() + ${inMs} * interval '1 ms')` })
    .where("host_key", "in", hostKeys)
    .execute();
}

/** The files on a host have a name, or are gone. */
export async function forgetDiscarded(db: Db, hostKey: string, hostId: string): Promise<void> {
  await db
    .deleteFrom("discarded_templates")
    .where("host_key", "=", hostKey)
    .where("host_id", "=", hostId)
    .execute();
}

/** Keys of what a host is to remove now, at most `limit` of them, the longest due first. */
export async function listDiscarded(db: Db, hostId: string, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("discarded_templates")
    .select("host_key")
    .where("host_id", "=", hostId)
    .where("due_at", "<=", sql<Date>`now()`)
    .orderBy("due_at")
    .limit(limit)
    .execute();
  return rows.map((row) => row.host_key);
}
