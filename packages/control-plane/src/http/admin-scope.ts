import { actingForPlatform } from "../accounts/administrators.ts";
import { ADMIN_CAPSULES, registerAdminCapsuleRoutes } from "../capsules/admin-capsule-routes.ts";
import { registerAdminMailRoutes } from "../mail/admin-mail-routes.ts";
import { registerAdminTeamRoutes } from "../teams/admin-team-routes.ts";
import { registerAdminTemplateRoutes } from "../templates/admin-template-routes.ts";
import { registerAdminUserRoutes } from "../accounts/admin-user-routes.ts";
import { identityOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { registerAdminAuditLogRoutes } from "../audit/audit-log-routes.ts";
import { registerCapsuleMetricsRoutes } from "../capsules/capsule-metrics-routes.ts";
import { registerCapsuleRoutes } from "../capsules/capsule-routes.ts";
import { registerExecRoutes } from "../processes/exec-routes.ts";
import { registerFileDownloadRoutes } from "../files/file-download-routes.ts";
import { registerFileRoutes } from "../files/file-routes.ts";
import { registerFileUploadRoutes } from "../files/file-upload-routes.ts";
import { registerProcessRoutes } from "../processes/process-routes.ts";

/** What only administrators of the platform may do, in a scope of its own: nobody else gets as far as any of it. */
export async function registerAdminRoutes(app: App, services: RouteServices): Promise<void> {
  app.addHook("onRequest", async (request) => {
    request.identity = await actingForPlatform(services.database, identityOf(request));
  });
  app.addHook("onRoute", (route) => {
    route.schema = { ...route.schema, tags: ["admin"], security: [{ session: [] }] };
  });
  const own = [
    registerAdminUserRoutes,
    registerAdminTeamRoutes,
    registerAdminTemplateRoutes,
    registerAdminCapsuleRoutes,
    registerAdminAuditLogRoutes,
    registerAdminMailRoutes,
  ];
  for (const routes of own) routes(app, services);
  for (const routes of [
    registerCapsuleRoutes,
    registerCapsuleMetricsRoutes,
    registerExecRoutes,
    registerProcessRoutes,
    registerFileRoutes,
    registerFileDownloadRoutes,
  ])
    routes(app, services, ADMIN_CAPSULES);
  await app.register(async (raw) => {
    // Files are of any size: their routes take the body as it arrives.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _body, done) => done(null));
    registerFileUploadRoutes(raw, services, ADMIN_CAPSULES);
  });
}
