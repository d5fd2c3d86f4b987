import { teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, WrennError } from "@wrenn/core";
import { teamQueries } from "@wrenn/database";
import { Type } from "typebox";
import { errors } from "./error-body.ts";

const Team = Type.Object({
  teamID: Type.String(),
  name: Type.String(),
  apiKey: Type.String({ description: "Masked: keys are shown once, when they are created" }),
  isDefault: Type.Boolean(),
});

export interface CallerTeamRoutesDeps {
  readonly services: Pick<SharedServices, "database">;
}

/** The team of the caller. */
export function registerTeam(app: App, { services }: CallerTeamRoutesDeps): void {
  app.get("/teams", { schema: { response: { 200: Type.Array(Team), ...errors } } }, async (request) => {
    const team = await teamQueries.findTeam(services.database.db, teamOf(request));
    if (!team) throw new WrennError("team_not_found", {});
    return [{ teamID: formatId("team", team.id), name: team.name, apiKey: "e2b_***", isDefault: true }];
  });
}
