import { sql } from "kysely";
import type { Kysely, Selectable } from "kysely";
import type { EventsTable } from "../event-tables.ts";
import type { Schema } from "../schema.ts";

type Db = Kysely<Schema>;

export type EventRow = Selectable<EventsTable>;

/** Place in the stream of events: everything up to it has been seen. */
export interface EventCursor {
  readonly tx: string;
  readonly id: string;
}

/** Larger than every id. */
const END = "9223372036854775807";

/**
 * Events of a team after a place, in their order.
 *
 * Only what no open transaction can still come before is given: transactions commit in another order than they begin, and a
 * reader that had gone past one would never see it.
 *
 * @returns also whether there is more that may not be given yet.
 */
export async function readEvents(
  db: Db,
  teamId: string,
  after: EventCursor,
  limit: number,
): Promise<{ readonly events: readonly EventRow[]; readonly more: boolean }> {
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .select(sql<boolean>`tx < pg_snapshot_xmin(pg_current_snapshot())`.as("settled"))
    .where("team_id", "=", teamId)
    .where(sql<boolean>`(tx, id) > (${after.tx}::xid8, ${after.id}::bigint)`)
    .orderBy("tx")
    .orderBy("id")
    .limit(limit)
    .execute();
  const open = rows.findIndex(({ settled }) => !settled);
  return {
    events: open < 0 ? rows : rows.slice(0, open),
    more: open >= 0 || rows.length === limit,
  };
}

/** The place after everything that has happened. */
export async function presentEventCursor(db: Db): Promise<EventCursor> {
  const { rows } = await sql<{
    tx: string;
  }>`select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text as tx`.execute(db);
  return { tx: rows[0]?.tx ?? "0", id: END };
}

export async function pruneEvents(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("events").where("created_at", "<", before).execute();
}
