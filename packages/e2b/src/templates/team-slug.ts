import { WrennError } from "@wrenn/core";
import { teamQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";

/** The slug of a team: the namespace of its templates. @throws WrennError `team_not_found`. */
export async function teamSlug({ db }: Database, teamId: string): Promise<string> {
  const team = await teamQueries.findTeam(db, teamId);
  if (!team) throw new WrennError("team_not_found", {});
  return team.slug;
}
