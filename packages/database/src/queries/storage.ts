import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** What a host says of one capsule. */
export interface ReportedStorage {
  readonly id: string;
  readonly bytes: number;
  readonly checkpoints: number;
}

/** A capsule's team, which decides whose shared layers are counted once. */
export async function findTeamsOfCapsules(
  db: Db,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ id: string; team_id: string }>`
    select id, team_id from sandboxes where id = any(${ids}::uuid[])`.execute(db);
  return new Map(rows.map((row) => [row.id, row.team_id]));
}

/**
 * Records what the capsules of a host occupy; one that is not reported occupies nothing. A capsule with an operation that ran at
 * some time since `since` is never lowered: the host may have measured it before the operation added something. Rows that another
 * transaction changes are left to the next report: this statement locks many rows and must wait for none.
 */
export async function recordStorage(
  db: Db,
  hostId: string,
  reported: readonly ReportedStorage[],
  since: Date,
): Promise<void> {
  await sql`
    with given as (
      select * from jsonb_to_recordset(${JSON.stringify(reported)}::jsonb) as given(id uuid, bytes bigint, checkpoints integer)
    ), changed as (
      select s.id, coalesce(g.bytes, 0) as bytes, coalesce(g.checkpoints, 0) as checkpoints,
        exists (select from operations o where o.sandbox_id = s.id
          and (o.state = 'running' or o.finished_at >= ${since})) as busy
      from sandboxes s left join given g on g.id = s.id
      where s.host_id = ${hostId} and (g.id is not null or s.storage_bytes > 0 or s.checkpoints > 0)
      for no key update of s skip locked
    )
    update sandboxes s set
      storage_bytes = case when c.busy then greatest(s.storage_bytes, c.bytes) else c.bytes end,
      checkpoints = case when c.busy then greatest(s.checkpoints, c.checkpoints) else c.checkpoints end
    from changed c
    where c.id = s.id and (s.storage_bytes <> c.bytes or s.checkpoints <> c.checkpoints)`.execute(db);
}

/** An operation has added something to what a capsule occupies; the next report of its host says how much it is exactly. */
export async function addStorage(
  db: Db,
  capsuleId: string,
  added: { readonly bytes: number; readonly checkpoints: number },
): Promise<void> {
  await sql`
    update sandboxes set storage_bytes = storage_bytes + ${added.bytes}::bigint,
      checkpoints = checkpoints + ${added.checkpoints}::integer
    where id = ${capsuleId}`.execute(db);
}

/** Hosts on which a team stores something. */
export async function listHostsOfTeam(db: Db, teamId: string): Promise<readonly string[]> {
  const { rows } = await sql<{ host_id: string }>`
    select distinct host_id from sandboxes
    where team_id = ${teamId} and host_id is not null and (storage_bytes > 0 or status not in ('stopped', 'error'))`.execute(
    db,
  );
  return rows.map((row) => row.host_id);
}
