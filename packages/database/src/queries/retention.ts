import { sql } from "kysely";
import type { EventResource } from "../event-tables.ts";
import type { Db, Trx } from "../schema.ts";
import { emitEvent } from "./events.ts";

/** How long saved states are kept; 0: without an end. */
export interface RetentionRules {
  /** Newest checkpoints of each capsule. */
  readonly checkpoints: number;
  /** Days since a checkpoint was made. */
  readonly checkpointDays: number;
  /** Days since a capsule was paused. */
  readonly pausedDays: number;
}

/** Something that a rule removes. */
export interface Expiring {
  /** UUID of the capsule. */
  readonly capsuleId: string;
  readonly teamId: string;
  /** Id of a checkpoint of it; without one, the paused capsule itself. */
  readonly checkpoint?: string;
}

export interface ExpiringCapsule extends Expiring {
  readonly version: number;
  readonly pausedSince: Date;
  /** Days that its team's rule gives it. */
  readonly days: number;
}

/** Something is due when it has at most `aheadDays` left at `now`. */
export interface DueWithin {
  readonly aheadDays: number;
  readonly now: Date;
}

/**
 * Capsules that have been paused for at least their team's days less `aheadDays`, and that nothing is done with, in the order of
 * their ids after `after`.
 */
export async function listExpiringCapsules(
  db: Db,
  defaults: RetentionRules,
  { aheadDays, now }: DueWithin,
  after: string,
  limit: number,
): Promise<readonly ExpiringCapsule[]> {
  const { rows } = await sql<{
    id: string;
    team_id: string;
    version: number;
    paused_since: Date;
    days: number;
  }>`
    select s.id, s.team_id, s.version, s.paused_since, r.days
    from sandboxes s join teams t on t.id = s.team_id
      cross join lateral (select coalesce(nullif(t.keep_paused_days, 0), ${defaults.pausedDays}::integer) as days) r
    where s.status = 'paused' and r.days > 0 and s.id > ${after}
      and s.paused_since <= ${now}::timestamptz - (r.days - ${aheadDays}::double precision) * interval '1 day'
      and not exists (select from operations o where o.sandbox_id = s.id and o.state = 'running')
    order by s.id limit ${limit}`.execute(db);
  return rows.map((row) => ({
    capsuleId: row.id,
    teamId: row.team_id,
    version: row.version,
    pausedSince: row.paused_since,
    days: row.days,
  }));
}

/** A capsule with checkpoints, and the rules of its team for them. */
export interface CapsuleWithCheckpoints {
  readonly id: string;
  readonly teamId: string;
  readonly hostId: string;
  readonly rules: Pick<RetentionRules, "checkpoints" | "checkpointDays">;
}

/** Capsules of a host with checkpoints whose teams have a rule for them, in the order of their ids after `after`. */
export async function listCapsulesWithCheckpoints(
  db: Db,
  defaults: RetentionRules,
  hostId: string,
  after: string,
  limit: number,
): Promise<readonly CapsuleWithCheckpoints[]> {
  const { rows } = await sql<{
    id: string;
    team_id: string;
    host_id: string;
    checkpoints: number;
    days: number;
  }>`
    select s.id, s.team_id, s.host_id, r.checkpoints, r.days
    from sandboxes s join teams t on t.id = s.team_id
      cross join lateral (select
        coalesce(nullif(t.keep_checkpoints, 0), ${defaults.checkpoints}::integer) as checkpoints,
        coalesce(nullif(t.keep_checkpoint_days, 0), ${defaults.checkpointDays}::integer) as days) r
    where s.status in ('running', 'paused') and s.checkpoints > 0 and s.host_id = ${hostId}
      and (r.checkpoints > 0 or r.days > 0) and s.id > ${after}
    order by s.id limit ${limit}`.execute(db);
  return rows.map((row) => ({
    id: row.id,
    teamId: row.team_id,
    hostId: row.host_id,
    rules: { checkpoints: row.checkpoints, checkpointDays: row.days },
  }));
}

/**
 * Warns, once, that something is going to be removed.
 *
 * @param since - a warning from before this is out of date, and is repeated.
 * @returns when the warning was given; `now` when that was just done.
 */
export async function warnOfExpiry(trx: Trx, expiring: Expiring, since: Date, now: Date): Promise<Date> {
  const { capsuleId, teamId, checkpoint = "" } = expiring;
  const { rows } = await sql<{ warned_at: Date }>`
    insert into expiry_warnings as w (sandbox_id, checkpoint, warned_at) values (${capsuleId}, ${checkpoint}, ${now})
    on conflict (sandbox_id, checkpoint) do update set warned_at = excluded.warned_at where w.warned_at < ${since}
    returning warned_at`.execute(trx);
  if (rows.length > 0) {
    await emit(trx, teamId, "expiring", expiring);
    return now;
  }
  const warning = await trx
    .selectFrom("expiry_warnings")
    .select("warned_at")
    .where("sandbox_id", "=", capsuleId)
    .where("checkpoint", "=", checkpoint)
    .executeTakeFirstOrThrow();
  return warning.warned_at;
}

/**
 * A checkpoint was removed by a rule.
 *
 * @returns false when another control plane has recorded it.
 */
export async function recordExpired(
  trx: Trx,
  expired: Expiring & { readonly checkpoint: string },
): Promise<boolean> {
  const { numDeletedRows } = await trx
    .deleteFrom("expiry_warnings")
    .where("sandbox_id", "=", expired.capsuleId)
    .where("checkpoint", "=", expired.checkpoint)
    .executeTakeFirst();
  if (numDeletedRows === 0n) return false;
  await emit(trx, expired.teamId, "expired", expired);
  return true;
}

/** Takes back warnings of checkpoints that are not due after all: when they are again, they are warned of again. */
export async function withdrawCheckpointWarnings(
  db: Db,
  capsuleId: string,
  notDue: readonly string[],
): Promise<void> {
  if (notDue.length === 0) return;
  await db
    .deleteFrom("expiry_warnings")
    .where("sandbox_id", "=", capsuleId)
    .where("checkpoint", "in", notDue)
    .execute();
}

/**
 * Forgets warnings that no rule stands behind: of capsules that have ended, that are not due, or whose team has another rule now. Those
 * of checkpoints that users deleted age.
 */
export async function pruneWarnings(
  db: Db,
  defaults: RetentionRules,
  { aheadDays, now }: DueWithin,
): Promise<void> {
  await sql`delete from expiry_warnings w using sandboxes s join teams t on t.id = s.team_id
    where s.id = w.sandbox_id and case when w.checkpoint = '' then
      s.status <> 'paused' or coalesce(nullif(t.keep_paused_days, 0), ${defaults.pausedDays}::integer) = 0
        or s.paused_since > ${now}::timestamptz
          - (coalesce(nullif(t.keep_paused_days, 0), ${defaults.pausedDays}::integer) - ${aheadDays}::double precision)
            * interval '1 day'
    else
      s.status in ('stopped', 'error') or w.warned_at < ${now}::timestamptz - interval '30 days'
        or coalesce(nullif(t.keep_checkpoints, 0), ${defaults.checkpoints}::integer) = 0
          and coalesce(nullif(t.keep_checkpoint_days, 0), ${defaults.checkpointDays}::integer) = 0
    end`.execute(db);
}

async function emit(
  trx: Trx,
  teamId: string,
  what: "expiring" | "expired",
  { capsuleId, checkpoint }: Expiring,
): Promise<void> {
  const [kind, resource, id]: [string, EventResource, string] =
    checkpoint === undefined
      ? [`capsule.${what}`, "sandbox", capsuleId]
      : [`checkpoint.${what}`, "checkpoint", `${capsuleId}/${checkpoint}`];
  await emitEvent(trx, { teamId, kind, resource, resourceId: id });
}
