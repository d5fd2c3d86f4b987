import type { Db } from "../schema.ts";

/**
 * Ends a team for everybody: its keys, links and invitations go, its logins turn invalid. Memberships, usage and the audit log stay.
 * False when it is deleted already.
 */
export async function markTeamDeleted(db: Db, teamId: string, at: Date): Promise<boolean> {
  const result = await db
    .updateTable("teams")
    .set({ deleted_at: at })
    .where("id", "=", teamId)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  await db.deleteFrom("api_keys").where("team_id", "=", teamId).execute();
  await db.deleteFrom("port_links").where("team_id", "=", teamId).execute();
  await db.deleteFrom("invitations").where("team_id", "=", teamId).execute();
  await db.deleteFrom("channels").where("team_id", "=", teamId).execute();
  return true;
}

/** Teams that a user owns, with how many others belong to each. */
export async function listOwnedTeams(
  db: Db,
  userId: string,
): Promise<readonly { readonly id: string; readonly name: string; readonly others: number }[]> {
  const rows = await db
    .selectFrom("memberships as own")
    .innerJoin("teams", "teams.id", "own.team_id")
    .select((eb) => [
      "teams.id as id",
      "teams.name as name",
      eb
        .selectFrom("memberships as other")
        .innerJoin("users", "users.id", "other.user_id")
        .select((inner) => inner.fn.countAll().as("count"))
        .whereRef("other.team_id", "=", "own.team_id")
        .where("other.user_id", "<>", userId)
        .where("users.status", "<>", "deleted")
        .as("others"),
    ])
    .where("own.user_id", "=", userId)
    .where("own.role", "=", "owner")
    .where("teams.deleted_at", "is", null)
    .orderBy("teams.created_at")
    .execute();
  return rows.map(({ id, name, others }) => ({ id, name, others: Number(others) }));
}

/** Whether an active administrator remains without this user. */
export async function otherAdminExists(db: Db, userId: string): Promise<boolean> {
  const other = await db
    .selectFrom("users")
    .select("id")
    .where("is_admin", "=", true)
    .where("status", "=", "active")
    .where("id", "<>", userId)
    .executeTakeFirst();
  return other !== undefined;
}

/** Ends an active account with its keys, its links to ports, its identities at providers and its places in the teams of others; its address is free again. False when it is not active. */
export async function markUserDeleted(db: Db, userId: string, at: Date): Promise<boolean> {
  const result = await db
    .updateTable("users")
    .set({ status: "deleted", deleted_at: at })
    .where("id", "=", userId)
    .where("status", "=", "active")
    .executeTakeFirst();
  if (result.numUpdatedRows === 0n) return false;
  await db.deleteFrom("api_keys").where("created_by", "=", userId).execute();
  await db.deleteFrom("port_links").where("created_by", "=", userId).execute();
  await db.deleteFrom("one_time_tokens").where("user_id", "=", userId).execute();
  await db.deleteFrom("user_identities").where("user_id", "=", userId).execute();
  await db.deleteFrom("memberships").where("user_id", "=", userId).where("role", "<>", "owner").execute();
  return true;
}

/** People who share a team with a user and whose address begins like this, by address. */
export async function searchAcquaintances(
  db: Db,
  userId: string,
  prefix: string,
  limit: number,
): Promise<readonly { readonly id: string; readonly email: string }[]> {
  return await db
    .selectFrom("users")
    .select(["users.id as id", "users.email as email"])
    .where("users.status", "=", "active")
    .where((eb) => eb(eb.fn<boolean>("starts_with", ["users.email", eb.val(prefix)]), "=", true))
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom("memberships as theirs")
          .innerJoin("memberships as own", "own.team_id", "theirs.team_id")
          .innerJoin("teams", "teams.id", "own.team_id")
          .select("teams.id")
          .whereRef("theirs.user_id", "=", "users.id")
          .where("own.user_id", "=", userId)
          .where("teams.deleted_at", "is", null),
      ),
    )
    .orderBy("users.email")
    .limit(limit)
    .execute();
}
