import { sql } from "kysely";
import type { Insertable, Selectable } from "kysely";
import type { AuditLogTable } from "../account-tables.ts";
import type { Db } from "../schema.ts";

export type AuditRow = Selectable<AuditLogTable>;
export type NewAuditRow = Omit<Insertable<AuditLogTable>, "seq">;

/** Writes entries; in the transaction of what they tell of, so that neither is there without the other. */
export async function insertAudit(db: Db, entries: NewAuditRow | readonly NewAuditRow[]): Promise<void> {
  await db.insertInto("audit_log").values([entries].flat().map(columnsOf)).execute();
}

function columnsOf(entry: NewAuditRow): NewAuditRow {
  return {
    id: entry.id,
    team_id: entry.team_id,
    actor_type: entry.actor_type,
    actor_id: entry.actor_id ?? null,
    actor_name: entry.actor_name ?? null,
    resource_type: entry.resource_type,
    resource_id: entry.resource_id ?? null,
    action: entry.action,
    scope: entry.scope,
    status: entry.status,
    metadata: entry.metadata,
  };
}

export interface AuditQuery {
  readonly teamId: string;
  readonly scopes: readonly AuditRow["scope"][];
  /** Id of the entry to go on after. */
  readonly after?: string;
  /** Entries before that only. */
  readonly before?: Date;
  readonly limit: number;
  readonly resourceTypes?: readonly string[];
  readonly actions?: readonly string[];
}

/** Entries of a team, newest first. */
export async function listAudit(db: Db, query: AuditQuery): Promise<readonly AuditRow[]> {
  const { teamId, scopes, after, before, limit, resourceTypes, actions } = query;
  let rows = db
    .selectFrom("audit_log")
    .selectAll()
    .where("team_id", "=", teamId)
    .where("scope", "in", scopes);
  if (resourceTypes) rows = rows.where("resource_type", "in", resourceTypes);
  if (actions) rows = rows.where("action", "in", actions);
  if (before) rows = rows.where("created_at", "<", before);
  if (after !== undefined) {
    rows = rows.where("seq", "<", (eb) =>
      eb
        .selectFrom("audit_log as last")
        .select("last.seq")
        .where("last.id", "=", after)
        .where("last.team_id", "=", teamId),
    );
  }
  return await rows.orderBy("seq", "desc").limit(limit).execute();
}

/** Deletes entries from before `at`. */
export async function deleteAuditBefore(db: Db, at: Date): Promise<void> {
  await db.deleteFrom("audit_log").where("created_at", "<", at).execute();
}

/** Entries that others can cause in any number: routine ones, and log-ins that fail. */
const isFlooding = (table: string) =>
  sql<boolean>`(${sql.ref(`${table}.status`)} = 'info' or ${sql.ref(`${table}.action`)} = 'login_failed')`;

/** Deletes the oldest entries of every team that has more than `most` routine ones and failed log-ins, or more than `most` others. */
export async function deleteAuditBeyond(db: Db, most: number): Promise<void> {
  await sql`
    with too_many as (
      select team_id, ${isFlooding("audit_log")} as flooding from audit_log group by 1, 2 having count(*) > ${most}
    ), last_kept as (
      select team_id, flooding, (
        select seq from audit_log a
        where a.team_id = t.team_id and ${isFlooding("a")} = t.flooding
        order by seq desc offset ${most - 1} limit 1
      ) as seq from too_many t
    )
    delete from audit_log a using last_kept k
    where a.team_id = k.team_id and ${isFlooding("a")} = k.flooding and a.seq < k.seq`.execute(db);
}
