import { requireAdministrator } from "../admin/administrators.ts";
import { adminMailRoutes } from "./admin-mails.ts";
import { adminTeamRoutes } from "./admin-teams.ts";
import { adminUserRoutes } from "./admin-users.ts";
import { sessionOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { adminAuditLogRoutes } from "./audit-logs.ts";

/** What only administrators of the platform may do, in a scope of its own: nobody else gets as far as any of it. */
export function adminRoutes(app: App, services: RouteServices): void {
  app.addHook(
    "onRequest",
    async (request) => await requireAdministrator(services.database, sessionOf(request)),
  );
  app.addHook("onRoute", (route) => {
    route.schema = { ...route.schema, security: [{ session: [] }] };
  });
  for (const routes of [adminUserRoutes, adminTeamRoutes, adminAuditLogRoutes, adminMailRoutes])
    routes(app, services);
}
