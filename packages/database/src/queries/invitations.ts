import type { Db } from "../schema.ts";

export interface InvitationRow {
  readonly id: string;
  readonly teamId: string;
  readonly teamName: string;
  readonly email: string;
  readonly role: "admin" | "member";
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

export interface NewInvitation {
  readonly id: string;
  readonly teamId: string;
  readonly email: string;
  readonly role: "admin" | "member";
  readonly invitedBy: string;
  readonly expiresAt: Date;
}

/** Invites an address to a team; an earlier invitation of it is replaced. */
export async function putInvitation(db: Db, invitation: NewInvitation): Promise<void> {
  const { id, teamId, email, role, invitedBy, expiresAt } = invitation;
  const content = { id, role, invited_by: invitedBy, expires_at: expiresAt };
  await db
    .insertInto("invitations")
    .values({ team_id: teamId, email, ...content })
    .onConflict((conflict) => conflict.columns(["team_id", "email"]).doUpdateSet(content))
    .execute();
}

/** Invitations that are good, of a team or to an address, newest first. */
export async function listInvitations(
  db: Db,
  of: { readonly teamId: string } | { readonly email: string },
  now: Date,
): Promise<readonly InvitationRow[]> {
  const rows = db
    .selectFrom("invitations")
    .innerJoin("teams", "teams.id", "invitations.team_id")
    .select([
      "invitations.id as id",
      "invitations.team_id as teamId",
      "teams.name as teamName",
      "invitations.email as email",
      "invitations.role as role",
      "invitations.created_at as createdAt",
      "invitations.expires_at as expiresAt",
    ])
    .where("invitations.expires_at", ">", now)
    .where("teams.deleted_at", "is", null);
  const some =
    "teamId" in of
      ? rows.where("invitations.team_id", "=", of.teamId)
      : rows.where("invitations.email", "=", of.email);
  return await some.orderBy("invitations.created_at", "desc").orderBy("invitations.id").execute();
}

/** Whether an address has an invitation that is good. */
export async function isInvited(db: Db, email: string, now: Date): Promise<boolean> {
  return (await listInvitations(db, { email }, now)).length > 0;
}

/** Takes an invitation out for the one whom it is addressed to. */
export async function takeInvitation(
  db: Db,
  id: string,
  email: string,
  now: Date,
): Promise<{ readonly teamId: string; readonly role: "admin" | "member" } | undefined> {
  return await db
    .deleteFrom("invitations")
    .where("id", "=", id)
    .where("email", "=", email)
    .where("expires_at", ">", now)
    .returning(["team_id as teamId", "role"])
    .executeTakeFirst();
}

/** Withdraws an invitation of a team. @returns the role that it was for; undefined when the team has none of this id. */
export async function deleteInvitation(
  db: Db,
  teamId: string,
  id: string,
): Promise<"admin" | "member" | undefined> {
  const deleted = await db
    .deleteFrom("invitations")
    .where("id", "=", id)
    .where("team_id", "=", teamId)
    .returning("role")
    .executeTakeFirst();
  return deleted?.role;
}
