import type { App } from "../http/app.ts";
import { registerInvitationRoutes } from "./invitation-routes.ts";
import type { InvitationRoutesDeps } from "./invitation-routes.ts";
import { registerTeamRoutes } from "./team-routes.ts";
import type { TeamRoutesDeps } from "./team-routes.ts";

/** Routes about teams, their members and invitations. */
export function registerTeams(app: App, deps: TeamRoutesDeps & InvitationRoutesDeps): void {
  registerTeamRoutes(app, deps);
  registerInvitationRoutes(app, deps);
}
