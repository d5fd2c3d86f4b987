import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { EventsTable } from "../event-tables.ts";
import type { Db } from "../schema.ts";

export type EventRow = Selectable<EventsTable>;

/** Events of a team after one of them, in their order. They become visible in it: what is read once is never followed by less. */
export async function readEvents(
  db: Db,
  teamId: string,
  after: string,
  limit: number,
): Promise<readonly EventRow[]> {
  return await db
    .selectFrom("events")
    .selectAll()
    .where("team_id", "=", teamId)
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit)
    .execute();
}

/** Id of the newest event of whatever team, and of the newest that is kept no more. */
export async function eventBounds(db: Db): Promise<{ readonly newest: string; readonly horizon: string }> {
  const { rows } = await sql<{ newest: string; horizon: string }>`
    select coalesce((select max(id) from events), h.id) as newest, h.id as horizon from event_horizon h`.execute(
    db,
  );
  return rows[0] ?? { newest: "0", horizon: "0" };
}

/** Forgets what is older, and remembers how far. */
export async function pruneEvents(db: Db, before: Date): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { max } = await trx
      .selectFrom("events")
      .select(({ fn }) => fn.max<string | null>("id").as("max"))
      .where("created_at", "<", before)
      .executeTakeFirstOrThrow();
    if (max === null) return;
    await trx.deleteFrom("events").where("id", "<=", max).execute();
    await trx
      .updateTable("event_horizon")
      .set((eb) => ({ id: eb.fn<string>("greatest", ["id", eb.val(max)]) }))
      .execute();
  });
}
