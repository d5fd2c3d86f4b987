import type { Context } from "../context.ts";
import { pickOne } from "../output/pick-one.ts";
import { accountCall } from "./account-call.ts";

/** A team as this program prints it. */
export interface TeamDocument {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly role: string;
  readonly createdAt: Date;
  readonly isCurrent: boolean;
}

/** The teams of the person, in the order in which they were joined. */
export async function readTeams(context: Context): Promise<readonly TeamDocument[]> {
  const teams = await accountCall(context, "GET /v1/teams");
  const { teamId } = await (await context.wrenn()).quota({ signal: context.signal });
  return teams.map(({ id, name, slug, role, created_at: createdAt }) => ({
    id,
    name,
    slug,
    role,
    createdAt: new Date(createdAt),
    isCurrent: id === teamId,
  }));
}

/** The team that a user means. @throws ClientError `team_unknown`, `team_ambiguous`. */
export function pickTeam(reference: string, teams: readonly TeamDocument[]): TeamDocument {
  return pickOne(reference, teams, {
    kind: "team",
    idOf: ({ id }) => id,
    namesOf: ({ name, slug }) => [slug, name],
    list: "wrenn team ls",
  });
}
