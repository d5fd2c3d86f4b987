import type { Kysely } from "kysely";
import type { OperationKind, Schema } from "../schema.ts";

type Db = Kysely<Schema>;

/** Says what a host is about to be asked. */
export async function insertOperation(
  db: Db,
  operation: { readonly id: string; readonly sandboxId: string; readonly kind: OperationKind },
): Promise<void> {
  await db
    .insertInto("operations")
    .values({
      id: operation.id,
      sandbox_id: operation.sandboxId,
      kind: operation.kind,
      problem: null,
      finished_at: null,
    })
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

/** Operations of a process that is no more. */
export async function failRunningOperations(db: Db, problem: string, at: Date): Promise<number> {
  const result = await db
    .updateTable("operations")
    .set({ state: "failed", problem, finished_at: at })
    .where("state", "=", "running")
    .executeTakeFirst();
  return Number(result.numUpdatedRows);
}
