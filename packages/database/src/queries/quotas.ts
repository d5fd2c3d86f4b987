import { sql } from "kysely";
import type { Db, Trx } from "../schema.ts";

/** What a team may have, and what it has. Memory in MiB. */
export interface TeamUse {
  readonly limits: {
    readonly capsules: number;
    readonly vcpus: number;
    readonly memoryMib: number;
    readonly templates: number;
    readonly storageBytes: number;
    readonly checkpoints: number;
    readonly capsuleCheckpoints: number;
  };
  readonly capsules: number;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** With those that are being made. */
  readonly templates: number;
  /** With the claims of operations under way. */
  readonly storageBytes: number;
  readonly checkpoints: number;
}

/**
 * Locks the team until the end of the transaction, so that two creates at once cannot both take the last place, and says what it
 * has: every capsule that has not ended counts, CPUs and memory only of those that are not paused.
 */
export async function lockTeamUse(trx: Trx, teamId: string): Promise<TeamUse> {
  return await teamUse(trx, teamId, true);
}

/** The same without a lock: it may have changed when this resolves. */
export async function readTeamUse(db: Db, teamId: string): Promise<TeamUse> {
  return await teamUse(db, teamId, false);
}

async function teamUse(db: Db, teamId: string, isLocking: boolean): Promise<TeamUse> {
  const team = await db
    .selectFrom("teams")
    .select([
      "max_capsules",
      "max_vcpus",
      "max_memory_mb",
      "max_templates",
      "max_storage_mb",
      "max_checkpoints",
      "max_capsule_checkpoints",
    ])
    .where("id", "=", teamId)
    .$if(isLocking, (query) => query.forNoKeyUpdate())
    .executeTakeFirstOrThrow();
  const use = await db
    .selectFrom("sandboxes")
    .select(({ fn }) => [
      fn.countAll<string>().as("capsules"),
      sql<string>`coalesce(sum(vcpus) filter (where status <> 'paused'), 0)`.as("vcpus"),
      sql<string>`coalesce(sum(memory_mb) filter (where status <> 'paused'), 0)`.as("memory_mb"),
    ])
    .where("team_id", "=", teamId)
    .where("status", "not in", ["stopped", "error"])
    .executeTakeFirstOrThrow();
  const stored = await readStoredUse(db, teamId);
  return {
    limits: {
      capsules: team.max_capsules,
      vcpus: team.max_vcpus,
      memoryMib: team.max_memory_mb,
      templates: team.max_templates,
      storageBytes: team.max_storage_mb * 2 ** 20,
      checkpoints: team.max_checkpoints,
      capsuleCheckpoints: team.max_capsule_checkpoints,
    },
    capsules: Number(use.capsules),
    vcpus: Number(use.vcpus),
    memoryMib: Number(use.memory_mb),
    ...stored,
  };
}

/** What a team stores on hosts. Files of failed capsules count until their host has removed them. */
export type StoredUse = Pick<TeamUse, "templates" | "storageBytes" | "checkpoints">;

export async function readStoredUse(db: Db, teamId: string): Promise<StoredUse> {
  const { rows } = await sql<{ templates: string; bytes: string; checkpoints: string }>`
    with held as (
      select coalesce(sum(storage_bytes), 0) as bytes, coalesce(sum(checkpoints), 0) as checkpoints
      from sandboxes where team_id = ${teamId} and storage_bytes > 0
    ), claims as (
      select coalesce(sum(o.claimed_bytes), 0) as bytes, coalesce(sum(o.claimed_checkpoints), 0) as checkpoints,
        count(*) filter (where o.kind = 'snapshot') as templates
      from operations o join sandboxes s on s.id = o.sandbox_id
      where o.state = 'running' and o.claimed_bytes > 0 and s.team_id = ${teamId}
    ), named as (
      select count(*) as templates, coalesce(sum(size_bytes), 0) as bytes from templates where team_id = ${teamId}
    ), discarded as (
      select coalesce(sum(size_bytes), 0) as bytes from discarded_templates where team_id = ${teamId}
    ), archives as (
      select coalesce(sum(size_bytes), 0) as bytes from build_archives where team_id = ${teamId}
    )
    select named.templates + claims.templates as templates,
      held.bytes + claims.bytes + named.bytes + discarded.bytes + archives.bytes as bytes,
      held.checkpoints + claims.checkpoints as checkpoints
    from held, claims, named, discarded, archives`.execute(db);
  const [row] = rows;
  return {
    templates: Number(row?.templates),
    storageBytes: Number(row?.bytes),
    checkpoints: Number(row?.checkpoints),
  };
}

/** Checkpoints of one capsule, with those that are being made. */
export async function countCapsuleCheckpoints(db: Db, capsuleId: string): Promise<number> {
  const { rows } = await sql<{ count: string }>`
    select s.checkpoints + coalesce((select sum(o.claimed_checkpoints) from operations o
      where o.sandbox_id = s.id and o.state = 'running'), 0) as count
    from sandboxes s where s.id = ${capsuleId}`.execute(db);
  return Number(rows[0]?.count ?? 0);
}

/** Things of a team that have limits and are not of its capsules. */
export interface CountedThings {
  /** That have not ended. */
  readonly builds: number;
  readonly maxBuilds: number;
  readonly channels: number;
  readonly maxChannels: number;
  readonly apiKeys: number;
  /** Of the capsule that has most. */
  readonly capsuleCheckpoints: number;
}

export async function countThings(db: Db, teamId: string): Promise<CountedThings> {
  const { rows } = await sql<CountedThings>`
    select t.max_channels as "maxChannels", t.max_builds as "maxBuilds",
      (select count(*)::int from builds where team_id = t.id and status in ('pending', 'running')) as builds,
      (select count(*)::int from channels where team_id = t.id) as channels,
      (select count(*)::int from api_keys where team_id = t.id) as "apiKeys",
      (select coalesce(max(checkpoints), 0)::int from sandboxes
        where team_id = t.id and status not in ('stopped', 'error')) as "capsuleCheckpoints"
    from teams t where t.id = ${teamId}`.execute(db);
  return (
    rows[0] ?? { builds: 0, maxBuilds: 0, channels: 0, maxChannels: 0, apiKeys: 0, capsuleCheckpoints: 0 }
  );
}
