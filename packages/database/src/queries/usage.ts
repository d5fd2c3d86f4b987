import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** Seconds between samples (docs/reference/control-plane.md#usage). */
export const USAGE_SAMPLE_SEC = 10;

export interface UseBucket {
  readonly at: Date;
  readonly running: number;
  readonly vcpus: number;
  readonly memoryMib: number;
}

export interface DayOfUse {
  readonly day: string;
  readonly cpuMinutes: number;
  readonly ramMbMinutes: number;
}

/**
 * Writes down what every team has now: CPUs and memory of running capsules, and half of a paused one's memory. Of several
 * control planes the first one in each ten seconds writes.
 */
export async function sampleUsage(db: Db, now: Date): Promise<void> {
  const step = USAGE_SAMPLE_SEC * 1000;
  const at = new Date(Math.floor(now.getTime() / step) * step);
  await sql`
    insert into usage_samples (team_id, sampled_at, running_count, vcpus_reserved, memory_mb_reserved)
    select team_id, ${at},
      count(*) filter (where status in ('running', 'starting')),
      coalesce(sum(vcpus) filter (where status in ('running', 'starting')), 0),
      coalesce(sum(memory_mb) filter (where status in ('running', 'starting')), 0)
        + coalesce(sum(ceil(memory_mb / 2.0)) filter (where status = 'paused' and kept is distinct from 'disk'), 0)
    from sandboxes where status in ('running', 'starting', 'paused') group by team_id
    on conflict do nothing`.execute(db);
}

/** The largest values in each bucket of `widthSec` seconds since `since`; empty buckets are absent. */
export async function usageSeries(
  db: Db,
  teamId: string,
  since: Date,
  widthSec: number,
): Promise<readonly UseBucket[]> {
  const { rows } = await sql<{ bucket: string; running: number; vcpus: number; memory_mb: number }>`
    select floor(extract(epoch from sampled_at) / ${widthSec}) * ${widthSec} as bucket,
      max(running_count) as running, max(vcpus_reserved) as vcpus, max(memory_mb_reserved) as memory_mb
    from usage_samples where team_id = ${teamId} and sampled_at > ${since}
    group by bucket order by bucket`.execute(db);
  return rows.map((row) => ({
    at: new Date(Number(row.bucket) * 1000),
    running: row.running,
    vcpus: row.vcpus,
    memoryMib: row.memory_mb,
  }));
}

/** What a team has at this moment, counted like a sample. */
export async function usageNow(db: Db, teamId: string): Promise<Omit<UseBucket, "at">> {
  const { rows } = await sql<{ running: string; vcpus: string; memory_mb: string }>`
    select count(*) filter (where status in ('running', 'starting')) as running,
      coalesce(sum(vcpus) filter (where status in ('running', 'starting')), 0) as vcpus,
      coalesce(sum(memory_mb) filter (where status in ('running', 'starting')), 0)
        + coalesce(sum(ceil(memory_mb / 2.0)) filter (where status = 'paused' and kept is distinct from 'disk'), 0) as memory_mb
    from sandboxes where team_id = ${teamId} and status in ('running', 'starting', 'paused')`.execute(db);
  const [row] = rows;
  return { running: Number(row?.running), vcpus: Number(row?.vcpus), memoryMib: Number(row?.memory_mb) };
}

/** Sums up the samples of one day (UTC) for every team; may be repeated. */
export async function rollUpUsage(db: Db, day: string): Promise<void> {
  await sql`
    insert into daily_usage (team_id, day, cpu_minutes, ram_mb_minutes)
    select team_id, ${day}::date, sum(vcpus_reserved) * ${USAGE_SAMPLE_SEC} / 60.0,
      sum(memory_mb_reserved) * ${USAGE_SAMPLE_SEC} / 60.0
    from usage_samples
    where sampled_at >= (${day}::date at time zone 'UTC') and sampled_at < ((${day}::date + 1) at time zone 'UTC')
    group by team_id
    on conflict (team_id, day) do update
      set cpu_minutes = excluded.cpu_minutes, ram_mb_minutes = excluded.ram_mb_minutes`.execute(db);
}

/** Days of a team between two dates, both included; days without use are absent. */
export async function listDailyUsage(
  db: Db,
  teamId: string,
  from: string,
  to: string,
): Promise<readonly DayOfUse[]> {
  const { rows } = await sql<{ day: string; cpu_minutes: number; ram_mb_minutes: number }>`
    select to_char(day, 'YYYY-MM-DD') as day, cpu_minutes, ram_mb_minutes
    from daily_usage where team_id = ${teamId} and day between ${from}::date and ${to}::date order by day`.execute(
    db,
  );
  return rows.map((row) => ({ day: row.day, cpuMinutes: row.cpu_minutes, ramMbMinutes: row.ram_mb_minutes }));
}

/** Forgets samples that are older than `before`. */
export async function pruneUsageSamples(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("usage_samples").where("sampled_at", "<", before).execute();
}

/** How many running capsules have a guest agent that does not answer, over all teams. */
export async function countNotAnswering(db: Db): Promise<number> {
  const { count } = await db
    .selectFrom("sandboxes")
    .select(({ fn }) => fn.countAll<string>().as("count"))
    .where("health", "is not", null)
    .executeTakeFirstOrThrow();
  return Number(count);
}

/** How many capsules there are of each status, over all teams. */
export async function countByStatus(db: Db): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom("sandboxes")
    .select(({ fn }) => ["status", fn.countAll<string>().as("count")])
    .where("status", "not in", ["stopped", "error"])
    .groupBy("status")
    .execute();
  return new Map(rows.map(({ status, count }) => [status, Number(count)]));
}
