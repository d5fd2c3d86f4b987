import { sql } from "kysely";
import type { SqlBool } from "kysely";
import type { Actor } from "../event-tables.ts";
import type { Db, OperationKind } from "../schema.ts";

/** The most that an operation may add to what its team stores. */
export interface StorageClaim {
  readonly bytes: number;
  readonly checkpoints: number;
}

/** Says what a host is about to be asked, and which control plane waits for the answer. */
export async function insertOperations(
  db: Db,
  operations: readonly {
    readonly id: string;
    readonly capsuleId: string;
    readonly kind: OperationKind;
    readonly owner: string;
    readonly actor?: Actor | undefined;
    readonly claim?: StorageClaim | undefined;
  }[],
): Promise<void> {
  await db
    .insertInto("operations")
    .values(
      operations.map((operation) => ({
        id: operation.id,
        sandbox_id: operation.capsuleId,
        kind: operation.kind,
        owner: operation.owner,
        actor: operation.actor ? JSON.stringify(operation.actor) : null,
        claimed_bytes: operation.claim?.bytes ?? 0,
        claimed_checkpoints: operation.claim?.checkpoints ?? 0,
        problem: null,
        finished_at: null,
      })),
    )
    .execute();
}

/** Says how it ended; `problem` is null for success. */
export async function finishOperation(db: Db, id: string, problem: string | null, at: Date): Promise<void> {
  await db
    .updateTable("operations")
    .set({ state: problem === null ? "succeeded" : "failed", problem, finished_at: at })
    .where("id", "=", id)
    .where("state", "=", "running")
    .execute();
}

/** Operations that nobody waits for any more: of control planes that are gone, and of `owner` before it was started again. */
export async function failOrphanedOperations(
  db: Db,
  problem: string,
  at: Date,
  owner?: string,
): Promise<number> {
  const result = await db
    .updateTable("operations")
    .set({ state: "failed", problem, finished_at: at })
    .where("state", "=", "running")
    .where((eb) =>
      eb.or([
        eb("owner", "is", null),
        ...(owner === undefined ? [] : [eb("owner", "=", owner)]),
        eb("owner", "not in", eb.selectFrom("control_planes").select("id")),
      ]),
    )
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}

/** Ids of operations of a control plane that have not ended. */
export async function listRunningOperations(db: Db, owner: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("operations")
    .select("id")
    .where("state", "=", "running")
    .where("owner", "=", owner)
    .execute();
  return rows.map(({ id }) => id);
}

/** Operations whose control plane does not know of them any more: what it wanted to write about them got lost. */
export async function failForgottenOperations(db: Db, ids: readonly string[], at: Date): Promise<void> {
  await db
    .updateTable("operations")
    .set({ state: "failed", problem: "its end could not be written down", finished_at: at })
    .where("state", "=", "running")
    .where(sql<SqlBool>`id = any(${ids}::uuid[])`)
    .execute();
}
