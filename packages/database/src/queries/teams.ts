import type { Selectable } from "kysely";
import type { Db, TeamsTable } from "../schema.ts";

export async function teamExists(db: Db, id: string): Promise<boolean> {
  return (await db.selectFrom("teams").select("id").where("id", "=", id).executeTakeFirst()) !== undefined;
}

/** A team that has not been deleted. */
export async function findTeam(db: Db, id: string): Promise<Selectable<TeamsTable> | undefined> {
  return await db
    .selectFrom("teams")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
}

export async function insertTeam(
  db: Db,
  team: { readonly id: string; readonly name: string; readonly slug: string },
): Promise<void> {
  await db
    .insertInto("teams")
    .values({ id: team.id, name: team.name, slug: team.slug, deleted_at: null })
    .execute();
}

/** The oldest team that nobody belongs to, besides the one of the platform. */
export async function findTeamOfNobody(db: Db, platformTeam: string): Promise<string | undefined> {
  const team = await db
    .selectFrom("teams")
    .select("id")
    .where("id", "<>", platformTeam)
    .where("deleted_at", "is", null)
    .where((eb) =>
      eb.not(eb.exists(eb.selectFrom("memberships").select("user_id").whereRef("team_id", "=", "teams.id"))),
    )
    .orderBy("created_at")
    .orderBy("id")
    .executeTakeFirst();
  return team?.id;
}
