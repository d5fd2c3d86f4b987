import { sql } from "kysely";
import type { SqlBool } from "kysely";
import type { Db, Trx } from "../schema.ts";

/** What the first create with an idempotency key made. */
export interface EarlierCreate {
  readonly fingerprint: string;
  readonly sandbox_id: string;
  /** The capsule was destroyed, or failed before any client had an answer: the key makes another one. */
  readonly is_over: boolean;
}

/** What was created with a key of a team, if anything. */
export async function findIdempotencyKey(
  db: Db,
  teamId: string,
  key: string,
): Promise<EarlierCreate | undefined> {
  return await db
    .selectFrom("idempotency_keys as k")
    .innerJoin("sandboxes as s", "s.id", "k.sandbox_id")
    .select([
      "k.fingerprint",
      "k.sandbox_id",
      sql<SqlBool>`s.status = 'stopped' or (s.status = 'error' and (
        exists (select from operations o where o.sandbox_id = s.id and o.kind = 'destroy' and o.state = 'succeeded')
        or exists (select from unanswered_creates u where u.sandbox_id = s.id and u.due_at is not null)))`.as(
        "is_over",
      ),
    ])
    .where("k.team_id", "=", teamId)
    .where("k.key", "=", key)
    .executeTakeFirst()
    .then((row) => row && { ...row, is_over: Boolean(row.is_over) });
}

/** Keeps keys with the capsules that they made. A key whose capsule is over is given the new one. */
export async function putIdempotencyKeys(
  trx: Trx,
  entries: readonly {
    readonly teamId: string;
    readonly key: string;
    readonly fingerprint: string;
    readonly capsuleId: string;
  }[],
  at: Date,
): Promise<void> {
  await trx
    .insertInto("idempotency_keys")
    .values(
      entries.map((entry) => ({
        team_id: entry.teamId,
        key: entry.key,
        fingerprint: entry.fingerprint,
        sandbox_id: entry.capsuleId,
        created_at: at,
      })),
    )
    .onConflict((conflict) =>
      conflict.columns(["team_id", "key"]).doUpdateSet((eb) => ({
        sandbox_id: eb.ref("excluded.sandbox_id"),
        created_at: eb.ref("excluded.created_at"),
      })),
    )
    .execute();
}

/** Forgets the keys of capsules of which no client had an answer. */
export async function deleteKeysOf(trx: Trx, capsuleIds: readonly string[]): Promise<void> {
  if (capsuleIds.length > 0)
    await trx.deleteFrom("idempotency_keys").where("sandbox_id", "in", capsuleIds).execute();
}

/** Forgets keys that are older than `before`. */
export async function pruneIdempotencyKeys(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("idempotency_keys").where("created_at", "<", before).execute();
}
