import { sql } from "kysely";
import type { Db, Trx } from "../schema.ts";

/** Hosts that have a template, the one that made it first; none for a template that no version names. */
export async function listHolders(db: Db, hostKey: string): Promise<readonly string[]> {
  const { rows } = await sql<{ host_id: string }>`
    select host_id from (
      select host_id, 0 as place, null::timestamptz as used_at from templates
        where host_key = ${hostKey} and host_id is not null
      union all
      select c.host_id, 1, c.used_at from template_copies c join templates t on t.host_key = c.host_key
        where c.host_key = ${hostKey}
    ) holders order by place, used_at desc`.execute(db);
  return rows.map((row) => row.host_id);
}

/**
 * Records that a host has a template, unless its version ended meanwhile; it does not end until the end of the transaction.
 *
 * @returns false when it has ended.
 */
export async function putCopy(trx: Trx, hostKey: string, hostId: string): Promise<boolean> {
  const version = await trx
    .selectFrom("templates")
    .select("host_id")
    .where("host_key", "=", hostKey)
    .forShare()
    .executeTakeFirst();
  if (!version) return false;
  if (version.host_id === hostId) return true;
  await trx
    .insertInto("template_copies")
    .values({ host_key: hostKey, host_id: hostId })
    .onConflict((conflict) =>
      conflict.columns(["host_key", "host_id"]).doUpdateSet({ used_at: sql<Date>`now()` }),
    )
    .execute();
  return true;
}

/** Notes that a copy is used. Not more than once an hour. */
export async function touchCopy(db: Db, hostKey: string, hostId: string): Promise<void> {
  await db
    .updateTable("template_copies")
    .set({ used_at: sql<Date>`now()` })
    .where("host_key", "=", hostKey)
    .where("host_id", "=", hostId)
    .where("used_at", "<", sql<Date>`now() - interval '1 hour'`)
    .execute();
}

/** A host has no copy any longer. @returns whether it had one. */
export async function deleteCopy(db: Db, hostKey: string, hostId: string): Promise<boolean> {
  const result = await db
    .deleteFrom("template_copies")
    .where("host_key", "=", hostKey)
    .where("host_id", "=", hostId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** No host has a copy of a template any longer. @returns the hosts that had one. */
export async function deleteCopies(db: Db, hostKey: string): Promise<readonly string[]> {
  const rows = await db
    .deleteFrom("template_copies")
    .where("host_key", "=", hostKey)
    .returning("host_id")
    .execute();
  return rows.map((row) => row.host_id);
}

/** Copies on a host, those first that were not used for longest. */
export async function listCopiesOn(db: Db, hostId: string, limit: number): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("template_copies")
    .select("host_key")
    .where("host_id", "=", hostId)
    .orderBy("used_at")
    .limit(limit)
    .execute();
  return rows.map((row) => row.host_key);
}

/** Deletes the rows of copies that were not used for `unusedMs`, at most `limit` of them. */
export async function deleteUnusedCopies(
  trx: Trx,
  unusedMs: number,
  limit: number,
): Promise<readonly { readonly hostKey: string; readonly hostId: string }[]> {
  const { rows } = await sql<{ host_key: string; host_id: string }>`
    delete from template_copies where (host_key, host_id) in (
      select host_key, host_id from template_copies
      where used_at < now() - ${unusedMs} * interval '1 ms'
      order by used_at limit ${limit} for update skip locked
    ) returning host_key, host_id`.execute(trx);
  return rows.map((row) => ({ hostKey: row.host_key, hostId: row.host_id }));
}

/**
 * A host is given up: templates that it made continue with a copy on another host of the same owner, which takes its place.
 */
export async function moveToCopies(db: Db, hostId: string): Promise<void> {
  await db.deleteFrom("template_copies").where("host_id", "=", hostId).execute();
  await sql`
    with heirs as (
      select distinct on (c.host_key) c.host_key, c.host_id from template_copies c
      join templates t on t.host_key = c.host_key
      join hosts h on h.id = c.host_id join hosts given_up on given_up.id = t.host_id
      where t.host_id = ${hostId} and h.team_id is not distinct from given_up.team_id order by c.host_key, c.used_at desc
    ), moved as (
      update templates t set host_id = h.host_id from heirs h where t.host_key = h.host_key returning t.host_key, t.host_id
    )
    delete from template_copies c using moved m where c.host_key = m.host_key and c.host_id = m.host_id`.execute(
    db,
  );
}
