import { sql } from "kysely";
import type { Db } from "../schema.ts";

/** Who made a template, and what was started from any of its versions. */
export interface TemplateUse {
  readonly name: string;
  readonly spawnCount: number;
  readonly lastSpawnedAt: Date | null;
  readonly createdBy: { readonly id: string; readonly email: string } | undefined;
}

/** Capsules that were started from a version. */
export interface SpawnsOfVersion {
  readonly hostKey: string;
  readonly count: number;
  /** When the last of them was. */
  readonly lastAt: Date;
}

/** The use of all templates of a team, or of one. */
export async function listTemplateUses(
  db: Db,
  teamId: string,
  name?: string,
): Promise<ReadonlyMap<string, TemplateUse>> {
  const rows = await db
    .selectFrom("template_names")
    .leftJoin("users", "users.id", "template_names.created_by")
    .select(["template_names.name", "spawn_count", "last_spawned_at", "created_by", "users.email as email"])
    .where("team_id", "=", teamId)
    .$if(name !== undefined, (query) => query.where("template_names.name", "=", name ?? ""))
    .execute();
  return new Map(
    rows.map(({ name, spawn_count: count, last_spawned_at: lastSpawnedAt, created_by: id, email }) => {
      const createdBy = id === null || email === null ? undefined : { id, email };
      return [name, { name, spawnCount: Number(count), lastSpawnedAt, createdBy }];
    }),
  );
}

/** Adds to the use of templates. Versions that are gone by now are left out. */
export async function addSpawns(db: Db, spawns: readonly SpawnsOfVersion[]): Promise<void> {
  if (spawns.length === 0) return;
  const [keys, counts, times] = [
    spawns.map(({ hostKey }) => hostKey),
    spawns.map(({ count }) => count),
    spawns.map(({ lastAt }) => lastAt.toISOString()),
  ];
  await sql`
    update template_names n
      set spawn_count = n.spawn_count + added.count, last_spawned_at = greatest(n.last_spawned_at, added.last_at)
      from (
        select t.team_id, t.name, sum(given.count) as count, max(given.last_at) as last_at
          from unnest(${keys}::text[], ${counts}::integer[], ${times}::timestamptz[]) as given (host_key, count, last_at)
          join templates t on t.host_key = given.host_key
          group by t.team_id, t.name) added
      where n.team_id = added.team_id and n.name = added.name`.execute(db);
}
