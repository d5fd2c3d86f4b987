import { sql } from "kysely";
import type { Db, Trx } from "../schema.ts";

/** Begins an archive that counts with the most that it may become. */
export async function insertArchive(trx: Trx, id: string, teamId: string, mostBytes: number): Promise<void> {
  await trx.insertInto("build_archives").values({ id, team_id: teamId, size_bytes: mostBytes }).execute();
}

export async function appendChunk(db: Db, archiveId: string, seq: number, bytes: Buffer): Promise<void> {
  await db.insertInto("build_archive_chunks").values({ archive_id: archiveId, seq, bytes }).execute();
}

/** The archive has arrived as a whole. */
export async function completeArchive(db: Db, id: string, sizeBytes: number): Promise<void> {
  await db.updateTable("build_archives").set({ size_bytes: sizeBytes }).where("id", "=", id).execute();
}

/** Gives an archive to a build; false when it is no longer there. */
export async function attachArchive(trx: Trx, id: string, buildId: string): Promise<boolean> {
  const result = await trx
    .updateTable("build_archives")
    .set({ build_id: buildId })
    .where("id", "=", id)
    .where("build_id", "is", null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** The archive of a build, if it has one. */
export async function findArchive(
  db: Db,
  buildId: string,
): Promise<{ readonly id: string; readonly sizeBytes: number } | undefined> {
  const row = await db
    .selectFrom("build_archives")
    .select(["id", "size_bytes"])
    .where("build_id", "=", buildId)
    .executeTakeFirst();
  return row && { id: row.id, sizeBytes: Number(row.size_bytes) };
}

/** One part of an archive; undefined after the last, and when the archive was deleted. */
export async function readChunk(db: Db, archiveId: string, seq: number): Promise<Buffer | undefined> {
  const row = await db
    .selectFrom("build_archive_chunks")
    .select("bytes")
    .where("archive_id", "=", archiveId)
    .where("seq", "=", seq)
    .executeTakeFirst();
  return row?.bytes;
}

/** Deletes an archive that no build has. */
export async function deleteUnused(db: Db, id: string): Promise<void> {
  await db.deleteFrom("build_archives").where("id", "=", id).where("build_id", "is", null).execute();
}

/** Deletes archives that no build has after this time: their uploads were broken off by the end of a control plane. */
export async function deleteAbandoned(db: Db, afterMs: number): Promise<void> {
  await db
    .deleteFrom("build_archives")
    .where("build_id", "is", null)
    .where("created_at", "<", sql<Date>`now() - ${afterMs} * interval '1 ms'`)
    .execute();
}
