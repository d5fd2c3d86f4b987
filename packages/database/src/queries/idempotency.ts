import type { Selectable } from "kysely";
import type { Db, IdempotencyKeysTable, Trx } from "../schema.ts";

/** What was created with a key of a team, if anything. */
export async function findIdempotencyKey(
  db: Db,
  teamId: string,
  key: string,
): Promise<Selectable<IdempotencyKeysTable> | undefined> {
  return await db
    .selectFrom("idempotency_keys")
    .selectAll()
    .where("team_id", "=", teamId)
    .where("key", "=", key)
    .executeTakeFirst();
}

export async function insertIdempotencyKeys(
  trx: Trx,
  entries: readonly {
    readonly teamId: string;
    readonly key: string;
    readonly fingerprint: string;
    readonly capsuleId: string;
  }[],
): Promise<void> {
  await trx
    .insertInto("idempotency_keys")
    .values(
      entries.map((entry) => ({
        team_id: entry.teamId,
        key: entry.key,
        fingerprint: entry.fingerprint,
        sandbox_id: entry.capsuleId,
      })),
    )
    .execute();
}

/** Forgets keys that are older than `before`. */
export async function pruneIdempotencyKeys(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("idempotency_keys").where("created_at", "<", before).execute();
}
