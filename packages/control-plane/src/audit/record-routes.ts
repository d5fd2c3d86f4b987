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

/** A client that left before its answer. */
const LEFT = 499;

declare module "fastify" {
  interface FastifyRequest {
    isRecorded: boolean;
    /** Records a routine request whose work begins, so that a long one shows before it ends. Absent where nothing is recorded. */
    recordBegin?(): void;
  }
}

/**
 * Records the requests of {@link recordedRoutes}: those that succeed before their answer is sent; routine ones behind it, or when their
 * work begins. Requests whose client left, and routine ones that fail without an answer of the guest, may have had an effect: they are
 * recorded with the outcome `unknown`.
 */
export function recordRoutes(app: App, audit: AuditLog): void {
  app.decorateRequest("isRecorded", false);
  app.decorateRequest("recordBegin", function recordBegin() {
    const route = routeOf(this);
    if (!route || this.isRecorded) return;
    this.isRecorded = true;
    audit.recordRoutine(identityOf(this), entryOf(route, this));
  });
  app.addHook("onSend", async (request, { statusCode }) => {
    const route = routeOf(request);
    if (!route || request.isRecorded) return;
    const isUnknown = statusCode === LEFT || (route.isRoutine && statusCode >= 500);
    if (statusCode >= 400 && !isUnknown) return;
    request.isRecorded = true;
    const entry = entryOf(route, request, isUnknown ? { outcome: "unknown" } : {});
    if (route.isRoutine) audit.recordRoutine(identityOf(request), entry);
    else await audit.writeAlone(identityOf(request), entry);
  });
}

function routeOf({ method, routeOptions }: FastifyRequest): RecordedRoute | undefined {
  return recordedRoutes[`${method} ${routeOptions.url ?? ""}`];
}

function entryOf(
  route: RecordedRoute,
  { params, query, body }: FastifyRequest,
  outcome: Readonly<Record<string, string>> = {},
): AuditEntry {
  const { resource, action, scope, isRoutine, details = [] } = route;
  const given = { ...asObject(query), ...asObject(body), ...asObject(params) };
  const id = asObject(params)["id"];
  return {
    resource,
    ...(hasOwnId.has(resource) && typeof id === "string" ? { resourceId: id } : {}),
    action,
    ...(scope ? { scope } : {}),
    ...(isRoutine ? { status: "info" as const } : {}),
    metadata: {
      ...outcome,
      ...Object.fromEntries(
        details.flatMap((name) => {
          const value = given[name];
          return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
            ? [[name, String(value).slice(0, MAX_DETAIL).toWellFormed().replaceAll("\0", "")]]
            : [];
        }),
      ),
    },
  };
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
