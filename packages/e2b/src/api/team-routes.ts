import { bearerToken, identityOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, WrennError } from "@wrenn/core";
import { memberQueries, teamQueries } from "@wrenn/database";
import type { LiveSession } from "@wrenn/database";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "./error-body.ts";

/** In the place of a key that is not shown again. */
const MASKED = "e2b_***";

const Team = Type.Object({
  teamID: Type.String(),
  name: Type.String(),
  apiKey: Type.String({
    description: "For a login of E2B's command line, a key of the team; otherwise masked",
  }),
  isDefault: Type.Boolean(),
});

export interface CallerTeamRoutesDeps {
  readonly services: Pick<SharedServices, "database" | "loginKeys" | "sessions">;
}

/**
 * The team of a key, or the teams of a person. E2B's command line stores the key that its login gets for a team, and uses it for
 * everything else.
 */
export function registerTeam(app: App, { services }: CallerTeamRoutesDeps): void {
  const { database, loginKeys, sessions } = services;

  /** The login of a request. The command line sends a key as well where its environment has one, and asks for its login. */
  async function loginOf(request: FastifyRequest): Promise<LiveSession | undefined> {
    const { session } = identityOf(request);
    const token = session ? undefined : bearerToken(request.headers);
    return token === undefined ? session : await sessions.authenticate(token);
  }

  app.get(
    "/teams",
    { schema: { response: { 200: Type.Array(Team), ...errors } } },
    async (request, reply): Promise<Static<typeof Team>[]> => {
      void reply.header("cache-control", "no-store");
      const session = await loginOf(request);
      if (!session) {
        const team = await teamQueries.findTeam(database.db, identityOf(request).teamId);
        if (!team) throw new WrennError("team_not_found", {});
        return [{ teamID: formatId("team", team.id), name: team.name, apiKey: MASKED, isDefault: true }];
      }
      const teams = await memberQueries.listUserTeams(database.db, session.userId);
      const ids = teams.map(({ id }) => id);
      const keys = await loginKeys.keysOf(session, ids);
      return teams.flatMap(({ id, name }) => {
        const apiKey = keys ? keys.get(id) : MASKED;
        if (apiKey === undefined) return [];
        return [{ teamID: formatId("team", id), name, apiKey, isDefault: id === session.teamId }];
      });
    },
  );
}
