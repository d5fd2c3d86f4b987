import { actingForPlatform } from "../admin/administrators.ts";
import { ADMIN_CAPSULES, adminCapsuleRoutes } from "./admin-capsules.ts";
import { adminMailRoutes } from "./admin-mails.ts";
import { adminTeamRoutes } from "./admin-teams.ts";
import { adminTemplateRoutes } from "./admin-templates.ts";
import { adminUserRoutes } from "./admin-users.ts";
import { identityOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { adminAuditLogRoutes } from "./audit-logs.ts";
import { capsuleMetricsRoutes } from "./capsule-metrics.ts";
import { capsuleRoutes } from "./capsules.ts";
import { execRoutes } from "./exec.ts";
import { fileDownloadRoutes } from "./file-downloads.ts";
import { fileRoutes } from "./files.ts";
import { fileUploadRoutes } from "./file-uploads.ts";
import { processRoutes } from "./processes.ts";

/** What only administrators of the platform may do, in a scope of its own: nobody else gets as far as any of it. */
export async function adminRoutes(app: App, services: RouteServices): Promise<void> {
  app.addHook("onRequest", async (request) => {
    request.identity = await actingForPlatform(services.database, identityOf(request));
  });
  app.addHook("onRoute", (route) => {
    route.schema = { ...route.schema, tags: ["admin"], security: [{ session: [] }] };
  });
  const own = [
    adminUserRoutes,
    adminTeamRoutes,
    adminTemplateRoutes,
    adminCapsuleRoutes,
    adminAuditLogRoutes,
    adminMailRoutes,
  ];
  for (const routes of own) routes(app, services);
  for (const routes of [
    capsuleRoutes,
    capsuleMetricsRoutes,
    execRoutes,
    processRoutes,
    fileRoutes,
    fileDownloadRoutes,
  ])
    routes(app, services, ADMIN_CAPSULES);
  await app.register(async (raw) => {
    // Files are of any size: their routes take the body as it arrives.
    raw.removeAllContentTypeParsers();
    raw.addContentTypeParser("*", (_request, _body, done) => done(null));
    fileUploadRoutes(raw, services, ADMIN_CAPSULES);
  });
}
