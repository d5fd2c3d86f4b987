import type { FastifyRequest } from "fastify";
import { identityOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { AuditEntry } from "./audit-entry.ts";
import type { AuditLog } from "./audit.ts";
import { recordedRoutes } from "./recorded-routes.ts";
import type { RecordedRoute } from "./recorded-routes.ts";

/** Resources that the `:id` of a route is the id of. */
const hasOwnId: ReadonlySet<string> = new Set(["sandbox", "host"]);
/** Details are bounded: clients choose them. */
const MAX_DETAIL = 200;

/** Records the requests of {@link recordedRoutes} that succeed: before their answer is sent, or behind it when they are routine. */
export function recordRoutes(app: App, audit: AuditLog): void {
  app.addHook("onSend", async (request, reply) => {
    if (reply.statusCode >= 400) return;
    const { method, routeOptions } = request;
    const route = recordedRoutes[`${method} ${routeOptions.url ?? ""}`];
    if (!route) return;
    const entry = entryOf(route, request);
    if (route.isRoutine) audit.recordRoutine(identityOf(request), entry);
    else await audit.writeAlone(identityOf(request), entry);
  });
}

function entryOf(route: RecordedRoute, { params, query, body }: FastifyRequest): AuditEntry {
  const { resource, action, scope, isRoutine, details = [] } = route;
  const given = { ...asObject(query), ...asObject(body), ...asObject(params) };
  const id = asObject(params)["id"];
  return {
    resource,
    ...(hasOwnId.has(resource) && typeof id === "string" ? { resourceId: id } : {}),
    action,
    ...(scope ? { scope } : {}),
    ...(isRoutine ? { status: "info" as const } : {}),
    metadata: Object.fromEntries(
      details.flatMap((name) => {
        const value = given[name];
        return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
          ? [[name, String(value).slice(0, MAX_DETAIL).toWellFormed().replaceAll("\0", "")]]
          : [];
      }),
    ),
  };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
