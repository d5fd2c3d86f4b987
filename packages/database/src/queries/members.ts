import type { Role } from "../account-tables.ts";
import type { Db, Trx } from "../schema.ts";

export interface TeamOfUser {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly createdAt: Date;
  readonly joinedAt: Date;
  readonly role: Role;
}

/** Teams of a user that exist, as they were joined. */
export async function listUserTeams(db: Db, userId: string): Promise<readonly TeamOfUser[]> {
  return await db
    .selectFrom("memberships")
    .innerJoin("teams", "teams.id", "memberships.team_id")
    .select([
      "teams.id as id",
      "teams.name as name",
      "teams.slug as slug",
      "teams.created_at as createdAt",
      "memberships.joined_at as joinedAt",
      "memberships.role as role",
    ])
    .where("memberships.user_id", "=", userId)
    .where("teams.deleted_at", "is", null)
    .orderBy("memberships.joined_at")
    .orderBy("teams.id")
    .execute();
}

export interface Member {
  readonly userId: string;
  readonly name: string;
  readonly email: string;
  readonly role: Role;
  readonly joinedAt: Date;
}

/** Members of a team, as they joined. */
export async function listMembers(db: Db, teamId: string): Promise<readonly Member[]> {
  return await db
    .selectFrom("memberships")
    .innerJoin("users", "users.id", "memberships.user_id")
    .select([
      "users.id as userId",
      "users.name as name",
      "users.email as email",
      "memberships.role as role",
      "memberships.joined_at as joinedAt",
    ])
    .where("memberships.team_id", "=", teamId)
    .where("users.status", "<>", "deleted")
    .orderBy("memberships.joined_at")
    .orderBy("users.id")
    .execute();
}

export async function findRole(db: Db, teamId: string, userId: string): Promise<Role | undefined> {
  const member = db.selectFrom("memberships").select("role").where("team_id", "=", teamId);
  return (await member.where("user_id", "=", userId).executeTakeFirst())?.role;
}

/** Changes the role of a member who is not the owner, and ends the invitations that the new role may not make; false when there is no such member. */
export async function changeRole(
  trx: Trx,
  teamId: string,
  userId: string,
  role: "admin" | "member",
): Promise<boolean> {
  const result = await trx
    .updateTable("memberships")
    .set({ role })
    .where("team_id", "=", teamId)
    .where("user_id", "=", userId)
    .where("role", "<>", "owner")
    .executeTakeFirst();
  // After the change, which waits for invitations that are being made.
  if (role === "member")
    await trx
      .deleteFrom("invitations")
      .where("team_id", "=", teamId)
      .where("invited_by", "=", userId)
      .execute();
  return result.numUpdatedRows > 0n;
}

/** Ends a membership that is not the owner's, with the API keys, links and invitations of that member in the team; false when there is none. */
export async function deleteMembership(db: Db, teamId: string, userId: string): Promise<boolean> {
  const result = await db
    .deleteFrom("memberships")
    .where("team_id", "=", teamId)
    .where("user_id", "=", userId)
    .where("role", "<>", "owner")
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

export async function renameTeam(db: Db, teamId: string, name: string): Promise<void> {
  await db.updateTable("teams").set({ name }).where("id", "=", teamId).execute();
}
