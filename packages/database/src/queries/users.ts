import { defined } from "@wrenn/core";
import { sql } from "kysely";
import type { Selectable } from "kysely";
import type { Role, UsersTable, UserStatus } from "../account-tables.ts";
import type { Db, Trx } from "../schema.ts";

export type UserRow = Selectable<UsersTable>;

export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  /** Null for somebody who signs in by a provider. */
  readonly passwordHash: string | null;
  readonly status: UserStatus;
  readonly isAdmin?: boolean;
}

/** Adds a user; an active one only if nobody has the address, else undefined is answered. */
export async function insertUser(db: Db, user: NewUser): Promise<UserRow | undefined> {
  return await db
    .insertInto("users")
    .values({
      id: user.id,
      email: user.email,
      name: user.name,
      password_hash: user.passwordHash,
      status: user.status,
      is_admin: user.isAdmin ?? false,
    })
    .onConflict((conflict) =>
      conflict.column("email").where("status", "in", ["active", "disabled"]).doNothing(),
    )
    .returningAll()
    .executeTakeFirst();
}

/** Account of an address: the one that proved it, else the newest that waits for that. */
export async function findUserByEmail(db: Db, email: string): Promise<UserRow | undefined> {
  return await db
    .selectFrom("users")
    .selectAll()
    .where("email", "=", email)
    .where("status", "<>", "deleted")
    .orderBy(sql`status = 'inactive'`)
    .orderBy("created_at", "desc")
    .executeTakeFirst();
}

/** Adds an active user whose address is proved, and drops those who wait for it; undefined when it has an owner. */
export async function insertProvenUser(db: Db, user: Omit<NewUser, "status">): Promise<UserRow | undefined> {
  await lockAddress(db, user.email);
  const added = await insertUser(db, { ...user, status: "active" });
  if (added) await deleteWaitingFor(db, user.email);
  return added;
}

/** Makes a waiting account the one of its address, and drops the others that wait; false when it has an owner. */
export async function activateUser(db: Db, user: UserRow): Promise<boolean> {
  await lockAddress(db, user.email);
  const owned = await db
    .selectFrom("users")
    .select("id")
    .where("email", "=", user.email)
    .where("status", "in", ["active", "disabled"])
    .executeTakeFirst();
  if (owned || !(await changeUser(db, user.id, "inactive", { status: "active" }))) return false;
  await deleteWaitingFor(db, user.email);
  return true;
}

/** Until the end of the transaction nobody else proves this address. */
async function lockAddress(db: Db, email: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${email}, 0))`.execute(db);
}

async function deleteWaitingFor(db: Db, email: string): Promise<void> {
  await db.deleteFrom("users").where("email", "=", email).where("status", "=", "inactive").execute();
}

export async function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  return await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
}

/** A user that nobody else changes until the end of the transaction. */
export async function lockUser(db: Db, id: string): Promise<UserRow | undefined> {
  return await db.selectFrom("users").selectAll().where("id", "=", id).forUpdate().executeTakeFirst();
}

/** A user that others may hold as well, and nobody changes until the end of the transaction. */
export async function holdUser(trx: Trx, id: string): Promise<UserRow | undefined> {
  return await trx.selectFrom("users").selectAll().where("id", "=", id).forShare().executeTakeFirst();
}

/** Drops accounts that were not activated in time, with their tokens. */
export async function deleteWaitingUsers(db: Db, before: Date): Promise<void> {
  await db.deleteFrom("users").where("status", "=", "inactive").where("created_at", "<", before).execute();
}

export interface UserChange {
  readonly name?: string;
  /** Null for none: only a provider or a mailed link leads into the account. */
  readonly passwordHash?: string | null;
  readonly status?: UserStatus;
  readonly deletedAt?: Date;
}

/** Changes an account that is in the state `from`; false when it is not. */
export async function changeUser(db: Db, id: string, from: UserStatus, change: UserChange): Promise<boolean> {
  const result = await db
    .updateTable("users")
    .set({
      ...defined({
        name: change.name,
        password_hash: change.passwordHash,
        status: change.status,
        deleted_at: change.deletedAt,
      }),
    })
    .where("id", "=", id)
    .where("status", "=", from)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Whether somebody can administer the platform. */
export async function adminExists(db: Db): Promise<boolean> {
  const admin = db.selectFrom("users").select("id").where("is_admin", "=", true);
  return (await admin.where("status", "=", "active").executeTakeFirst()) !== undefined;
}

export interface MembershipRow {
  readonly teamId: string;
  readonly role: Role;
  readonly isDefault: boolean;
}

/** Teams of a user that exist: the default one first, then as they were joined. */
export async function listMemberships(db: Db, userId: string): Promise<readonly MembershipRow[]> {
  return await db
    .selectFrom("memberships")
    .innerJoin("teams", "teams.id", "memberships.team_id")
    .select(["team_id as teamId", "role", "is_default as isDefault"])
    .where("user_id", "=", userId)
    .where("teams.deleted_at", "is", null)
    .orderBy("is_default", "desc")
    .orderBy("joined_at")
    .orderBy("team_id")
    .execute();
}

/** Makes somebody a member; one who is already stays what they are, and false is answered. */
export async function insertMembership(
  db: Db,
  membership: MembershipRow & { readonly userId: string },
): Promise<boolean> {
  const result = await db
    .insertInto("memberships")
    .values({
      user_id: membership.userId,
      team_id: membership.teamId,
      role: membership.role,
      is_default: membership.isDefault,
    })
    .onConflict((conflict) => conflict.columns(["user_id", "team_id"]).doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}
