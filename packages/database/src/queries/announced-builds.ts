import type { Selectable } from "kysely";
import type { AnnouncedBuildsTable } from "../build-tables.ts";
import type { Db } from "../schema.ts";

export type AnnouncedBuild = Selectable<AnnouncedBuildsTable>;

/** Records a build that a client has announced. Of a team the newest `kept` stay. */
export async function announceBuild(
  db: Db,
  build: Omit<AnnouncedBuild, "created_at">,
  kept: number,
): Promise<void> {
  const { id, team_id, name, tags, vcpus, memory_mb } = build;
  await db.insertInto("announced_builds").values({ id, team_id, name, tags, vcpus, memory_mb }).execute();
  await db
    .deleteFrom("announced_builds")
    .where("team_id", "=", build.team_id)
    .where("id", "not in", (eb) =>
      eb
        .selectFrom("announced_builds")
        .select("id")
        .where("team_id", "=", build.team_id)
        .orderBy("created_at", "desc")
        .limit(kept),
    )
    .execute();
}

/** The announced build of a team; undefined when there is none. */
export async function findAnnounced(db: Db, teamId: string, id: string): Promise<AnnouncedBuild | undefined> {
  return await db
    .selectFrom("announced_builds")
    .selectAll()
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .executeTakeFirst();
}

/** Whether a team has announced a build of a template that is not there yet. */
export async function isAnnounced(db: Db, teamId: string, name: string): Promise<boolean> {
  const row = await db
    .selectFrom("announced_builds")
    .select("id")
    .where("team_id", "=", teamId)
    .where("name", "=", name)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Keeps an uploaded archive as the files of a hash, in place of the one before. */
export async function putBuildFiles(db: Db, teamId: string, hash: string, archiveId: string): Promise<void> {
  await db
    .insertInto("build_files")
    .values({ team_id: teamId, hash, archive_id: archiveId })
    .onConflict((conflict) => conflict.columns(["team_id", "hash"]).doUpdateSet({ archive_id: archiveId }))
    .execute();
}

/** The archive with the files of a hash; undefined when they were not uploaded, or are not kept any longer. */
export async function findBuildFiles(
  db: Db,
  teamId: string,
  hash: string,
): Promise<{ readonly id: string; readonly sizeBytes: number } | undefined> {
  const row = await db
    .selectFrom("build_files")
    .innerJoin("build_archives", "build_archives.id", "build_files.archive_id")
    .select(["build_archives.id as id", "size_bytes"])
    .where("build_files.team_id", "=", teamId)
    .where("hash", "=", hash)
    .executeTakeFirst();
  return row && { id: row.id, sizeBytes: Number(row.size_bytes) };
}
