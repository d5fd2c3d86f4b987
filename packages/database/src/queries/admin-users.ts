import { sql } from "kysely";
import type { ExpressionBuilder } from "kysely";
import type { UserStatus } from "../account-tables.ts";
import type { Db, Schema, Trx } from "../schema.ts";

/** A part of a list that is counted through. */
export interface Stretch {
  readonly offset: number;
  readonly limit: number;
}

/** Somebody as administrators see them. */
export interface ListedUser {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly isAdmin: boolean;
  readonly status: UserStatus;
  readonly createdAt: Date;
  readonly teamsJoined: number;
  readonly teamsOwned: number;
}

/** Users that are not deleted, newest first, and how many there are in all. */
export async function listAllUsers(
  db: Db,
  { offset, limit }: Stretch,
): Promise<{ readonly users: readonly ListedUser[]; readonly total: number }> {
  const users = await db
    .selectFrom("users")
    .select((eb) => [
      "users.id as id",
      "users.email as email",
      "users.name as name",
      "users.is_admin as isAdmin",
      "users.status as status",
      "users.created_at as createdAt",
      teamsIn(eb, "<>").as("teamsJoined"),
      teamsIn(eb, "=").as("teamsOwned"),
    ])
    .where("users.status", "<>", "deleted")
    .orderBy("users.created_at", "desc")
    .orderBy("users.id")
    .limit(limit)
    .offset(offset)
    .execute();
  const { total } = await db
    .selectFrom("users")
    .select(sql<number>`count(*)::int`.as("total"))
    .where("status", "<>", "deleted")
    .executeTakeFirstOrThrow();
  return { users, total };
}

/** How many teams somebody is the owner of (`=`), or something else in (`<>`). */
function teamsIn(eb: ExpressionBuilder<Schema, "users">, owner: "=" | "<>") {
  return eb
    .selectFrom("memberships")
    .innerJoin("teams", "teams.id", "memberships.team_id")
    .select(sql<number>`count(*)::int`.as("count"))
    .whereRef("memberships.user_id", "=", "users.id")
    .where("teams.deleted_at", "is", null)
    .where("memberships.role", owner, "owner")
    .$asScalar()
    .$notNull();
}

/** Until the end of the transaction nobody else changes who administers the platform. */
export async function lockAdministrators(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended('administrators of the platform', 0))`.execute(db);
}

/** Makes somebody an administrator, or no more. */
export async function setAdministrator(db: Db, userId: string, isAdmin: boolean): Promise<void> {
  await db.updateTable("users").set({ is_admin: isAdmin }).where("id", "=", userId).execute();
}

/** Ends the API keys, and the links to ports, that a user made in any team. */
export async function deleteAccessOf(trx: Trx, userId: string): Promise<void> {
  await trx.deleteFrom("api_keys").where("created_by", "=", userId).execute();
  await trx.deleteFrom("port_links").where("created_by", "=", userId).execute();
}
