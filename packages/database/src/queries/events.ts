import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { Actor, EventResource, EventsTable } from "../event-tables.ts";
import type { Db } from "../schema.ts";

export type EventRow = Selectable<EventsTable>;

/** An event that code reports, rather than a trigger. */
export interface NewEvent {
  readonly teamId: string;
  readonly kind: string;
  /** The platform when absent. */
  readonly actor?: Actor | undefined;
  readonly resource: EventResource;
  /** As `resource_id` of the table. */
  readonly resourceId: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

/**
 * Reports an event at the commit of the transaction. It holds the lock of all events until then, so it is the last statement of a
 * transaction.
 */
export async function emitEvent(
  db: Db,
  { teamId, kind, actor, resource, resourceId, data = {} }: NewEvent,
): Promise<void> {
  await sql`select emit_event(${teamId}::uuid, ${kind}, ${actor ? JSON.stringify(actor) : null}::jsonb,
    ${resource}, ${resourceId}, ${JSON.stringify(data)}::jsonb)`.execute(db);
}

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

/** Events of a capsule, its checkpoints and its ports after one of them, in their order. */
export async function readCapsuleEvents(
  db: Db,
  capsule: { readonly id: string; readonly teamId: string },
  after: string,
  limit: number,
): Promise<readonly EventRow[]> {
  return await db
    .selectFrom("events")
    .selectAll()
    .where("team_id", "=", capsule.teamId)
    .where("capsule_id", "=", capsule.id)
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit)
    .execute();
}

/** Which page of the history of a team is read; undefined chooses all. */
export interface HistoryPage {
  readonly kinds?: readonly string[] | undefined;
  readonly capsuleId?: string | undefined;
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
  /** Only events before this one. */
  readonly before?: string | undefined;
  readonly limit: number;
}

/** Events of a team, the newest first. */
export async function listEvents(
  db: Db,
  teamId: string,
  { kinds, capsuleId, since, until, before, limit }: HistoryPage,
): Promise<readonly EventRow[]> {
  let query = db.selectFrom("events").selectAll().where("team_id", "=", teamId);
  if (kinds) query = query.where("type", "in", kinds);
  if (capsuleId !== undefined) query = query.where("capsule_id", "=", capsuleId);
  if (since) query = query.where("created_at", ">=", since);
  if (until) query = query.where("created_at", "<", until);
  if (before !== undefined) query = query.where("id", "<", before);
  return await query.orderBy("id", "desc").limit(limit).execute();
}

/** Id of the newest event of any team; "0" without any. */
export async function newestEvent(db: Db): Promise<string> {
  const { rows } = await sql<{ id: string }>`select coalesce(max(id), 0) as id from events`.execute(db);
  return rows[0]?.id ?? "0";
}

export interface EventBounds {
  /** Id of the newest event of any team. */
  readonly newest: string;
  /** Id of the newest event that may be deleted; "0" when none is. */
  readonly horizon: string;
  /** Every later event of the team is kept; null when none was deleted. */
  readonly keptSince: Date | null;
}

/** How far the events of a team reach. */
export async function eventBounds(db: Db, teamId: string): Promise<EventBounds> {
  const { rows } = await sql<{ newest: string; horizon: string; kept_since: Date | null }>`
    select coalesce((select max(id) from events), h.id) as newest, greatest(h.id, t.id) as horizon,
      greatest(h.at, t.at) as kept_since
    from event_horizon h left join team_event_horizons t on t.team_id = ${teamId}`.execute(db);
  const [row] = rows;
  return { newest: row?.newest ?? "0", horizon: row?.horizon ?? "0", keptSince: row?.kept_since ?? null };
}

/** Id of the newest event of a team before a time; undefined when it has none. */
export async function lastEventBefore(db: Db, teamId: string, time: Date): Promise<string | undefined> {
  const row = await db
    .selectFrom("events")
    .select("id")
    .where("team_id", "=", teamId)
    .where("created_at", "<", time)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return row?.id;
}

/** Teams with events after one of them, and the newest event of all; for finding events whose notification was lost. */
export async function teamsWithEventsAfter(
  db: Db,
  after: string,
): Promise<{ readonly teams: readonly string[]; readonly newest: string }> {
  const { rows } = await sql<{ team_id: string; newest: string }>`
    select team_id, max(id) as newest from events where id > ${after} group by team_id`.execute(db);
  const newest = rows.reduce((most, row) => (BigInt(row.newest) > BigInt(most) ? row.newest : most), after);
  return { teams: rows.map((row) => row.team_id), newest };
}

/** Which events are kept. */
export interface EventRetention {
  /** Nothing from before this time. */
  readonly since: Date;
  /** Newest events of each team. */
  readonly perTeam: number;
}

/** Deletes what is too old and what a team has too many of, and records how far. */
export async function pruneEvents(db: Db, { since, perTeam }: EventRetention): Promise<void> {
  await sql`
    with last as (
      select id, created_at from events where created_at < ${since} order by id desc limit 1
    ), moved as (
      update event_horizon h set id = greatest(h.id, last.id), at = greatest(h.at, last.created_at) from last
    )
    delete from events e using last where e.id <= last.id`.execute(db);
  await sql`
    with last as (
      select t.team_id, e.id, e.created_at from (select distinct team_id from events) t
      cross join lateral (select id, created_at from events e where e.team_id = t.team_id
        order by e.id desc offset ${perTeam} limit 1) e
    ), moved as (
      insert into team_event_horizons as h (team_id, id, at) select team_id, id, created_at from last
      on conflict (team_id) do update set id = greatest(h.id, excluded.id), at = greatest(h.at, excluded.at)
    )
    delete from events e using last where e.team_id = last.team_id and e.id <= last.id`.execute(db);
}
