import { sql } from "kysely";
import type { SqlBool } from "kysely";
import type { CapsuleRowStatus, Db, Trx } from "../schema.ts";

/** Capsules whose clients wait for the answer of `owner`, in the transaction that inserts their rows. */
export async function insertUnanswered(
  trx: Trx,
  capsuleIds: readonly string[],
  owner: string,
  at: Date,
): Promise<void> {
  const rows = capsuleIds.map((id) => ({ sandbox_id: id, owner, due_at: null, created_at: at }));
  await trx.insertInto("unanswered_creates").values(rows).execute();
}

/** Answers that begin to be sent. */
export async function markAnswering(db: Db, capsuleIds: readonly string[]): Promise<void> {
  await db
    .updateTable("unanswered_creates")
    .set({ answering: true })
    .where(isOneOf(capsuleIds))
    .where("due_at", "is", null)
    .execute();
}

/** Whoever waits for these capsules has them, and has yet to say that they are to stay. */
export async function unmarkAnswering(db: Db, capsuleIds: readonly string[]): Promise<void> {
  await db
    .updateTable("unanswered_creates")
    .set({ answering: false })
    .where(isOneOf(capsuleIds))
    .where("due_at", "is", null)
    .execute();
}

/** Answers that were sent. */
export async function deleteUnanswered(db: Db, capsuleIds: readonly string[]): Promise<void> {
  await db.deleteFrom("unanswered_creates").where(isOneOf(capsuleIds)).execute();
}

/** Clients that left before their answer. A capsule of which another client has an answer has no row: nothing changes for it. */
export async function setDue(db: Db, capsuleIds: readonly string[], dueAt: Date): Promise<void> {
  await db
    .updateTable("unanswered_creates")
    .set({ due_at: dueAt, answering: false })
    .where(isOneOf(capsuleIds))
    .execute();
}

/** Another client waits for the answer of a create that was repeated. @returns false when an answer was sent before. */
export async function claimUnanswered(db: Db, capsuleId: string, owner: string): Promise<boolean> {
  const result = await db
    .updateTable("unanswered_creates")
    .set({ owner, due_at: null, answering: false })
    .where("sandbox_id", "=", capsuleId)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

export interface LostClients {
  readonly owner: string;
  /** Capsules whose clients `owner` knows of. */
  readonly known: readonly string[];
  /** Rows of `owner` that are younger may be unknown to it because their transaction has just been committed. */
  readonly before: Date;
  readonly dueAt: Date;
}

/**
 * Settles what control planes left that ended: clients whose answer was being sent may have it, so that their capsules stay; the
 * others left without an answer.
 */
export async function settleLost(db: Db, { owner, known, before, dueAt }: LostClients): Promise<void> {
  const lost = sql<SqlBool>`(owner not in (select id from control_planes)
    or (owner = ${owner} and created_at < ${before} and sandbox_id <> all(${known}::uuid[])))`;
  await db.deleteFrom("unanswered_creates").where("answering", "=", true).where(lost).execute();
  await db
    .updateTable("unanswered_creates")
    .set({ due_at: dueAt })
    .where("due_at", "is", null)
    .where("answering", "=", false)
    .where(lost)
    .execute();
}

/** A capsule whose client left, and whose time is over. */
export interface DueCapsule {
  readonly id: string;
  readonly team_id: string;
  readonly host_id: string | null;
  readonly template: string;
  readonly status: CapsuleRowStatus;
  /** Something other than its creation was done with it. */
  readonly is_used: boolean;
}

/** Takes capsules that are due, of `capsuleIds` or of all; they are the transaction's to destroy. */
export async function takeDue(
  trx: Trx,
  at: Date,
  limit: number,
  capsuleIds?: readonly string[],
): Promise<readonly DueCapsule[]> {
  const due = trx
    .selectFrom("unanswered_creates")
    .select("sandbox_id")
    .where("due_at", "<=", at)
    .$if(capsuleIds !== undefined, (query) => query.where(isOneOf(capsuleIds ?? [])))
    .orderBy("due_at")
    .limit(limit)
    .forUpdate()
    .skipLocked();
  const taken = await trx
    .deleteFrom("unanswered_creates")
    .where("sandbox_id", "in", due)
    .returning("sandbox_id")
    .execute();
  if (taken.length === 0) return [];
  return await trx
    .selectFrom("sandboxes")
    .select((eb) => [
      "id",
      "team_id",
      "host_id",
      "template",
      "status",
      eb
        .or([
          eb("last_active_at", "is not", null),
          eb.exists(
            eb
              .selectFrom("operations")
              .select("operations.id")
              .whereRef("operations.sandbox_id", "=", "sandboxes.id")
              // Its own creation, or the fork that it is a child of, began in the transaction that wrote its row.
              .whereRef("operations.created_at", ">", "sandboxes.created_at"),
          ),
          eb.exists(
            eb
              .selectFrom("port_access")
              .select("port_access.port")
              .whereRef("port_access.sandbox_id", "=", "sandboxes.id"),
          ),
        ])
        .as("is_used"),
    ])
    .where(
      "id",
      "in",
      taken.map(({ sandbox_id }) => sandbox_id),
    )
    .execute()
    .then((rows) => rows.map((row) => ({ ...row, is_used: Boolean(row.is_used) })));
}

function isOneOf(capsuleIds: readonly string[]) {
  // One text for any number of them.
  return sql<SqlBool>`sandbox_id = any(${capsuleIds}::uuid[])`;
}
