import { defined, formatId, parseId, WrennError } from "@wrenn/core";
import { auditQueries } from "@wrenn/database";
import type { AuditRow, Database } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { timestamp } from "../http/timestamp.ts";
import { LINE, refusals } from "../http/schemas.ts";

const Filter = Type.Optional(
  Type.String({ maxLength: 400, pattern: LINE, description: "One or several, separated by commas" }),
);

const RFC3339 = String.raw`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`;

const Entry = Type.Object({
  id: Type.String(),
  actor_type: Type.String({ description: "user, api_key or system" }),
  actor_id: Type.Optional(Type.String()),
  actor_name: Type.Optional(Type.String()),
  resource_type: Type.String(),
  resource_id: Type.Optional(Type.String()),
  action: Type.String(),
  scope: Type.String({ description: "team or admin" }),
  status: Type.String({ description: "success, info, warning or error" }),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
  created_at: Type.String(),
});

const Query = Type.Object({
  before: Type.Optional(
    Type.String({
      maxLength: 40,
      pattern: RFC3339,
      description: "Entries before that moment; with before_id, which is exact, it says nothing more",
    }),
  ),
  before_id: Type.Optional(Type.String({ description: "Id of the last entry of the page before" })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, default: 50 })),
  resource_type: Filter,
  action: Filter,
});

const AuditPage = Type.Object({
  items: Type.Array(Entry),
  next_before: Type.Optional(Type.String()),
  next_before_id: Type.Optional(Type.String()),
});

export interface AuditLogRoutesDeps {
  readonly database: Database;
}

/** The audit log of the team that a person acts in (docs/reference/rest-api.md#audit-log). */
export function registerAuditLog(app: App, { database }: AuditLogRoutesDeps): void {
  app.get(
    "/v1/audit-logs",
    {
      schema: {
        summary: "Who did what, newest first",
        description:
          "Go on with `next_before_id` as `before_id`; it is absent on the last page. Members see the scope team only.",
        tags: ["audit"],
        querystring: Query,
        response: { 200: AuditPage, ...refusals },
      },
    },
    async (request) => {
      const { teamId, role } = sessionOf(request);
      return await auditPage(database, request.query, {
        teamId,
        scopes: role === "member" ? ["team"] : ["team", "admin"],
      });
    },
  );
}

/** The audit log of the platform, for its administrators (docs/reference/rest-api.md#administration). */
export function registerAuditLogAdmin(app: App, { database }: AuditLogRoutesDeps): void {
  app.get(
    "/v1/admin/audit-logs",
    {
      schema: {
        summary: "What was done with the platform, newest first",
        description: "Go on with `next_before_id` as `before_id`; it is absent on the last page.",
        tags: ["admin"],
        querystring: Query,
        response: { 200: AuditPage, ...refusals },
      },
    },
    async (request) =>
      await auditPage(database, request.query, { teamId: PLATFORM_TEAM, scopes: ["team", "admin"] }),
  );
}

async function auditPage(
  database: Database,
  query: Static<typeof Query>,
  of: { readonly teamId: string; readonly scopes: readonly AuditRow["scope"][] },
): Promise<Static<typeof AuditPage>> {
  const { before, before_id: beforeId, limit = 50, resource_type: resources, action } = query;
  const rows = await auditQueries.listAudit(database.db, {
    ...of,
    // One more than asked for says whether there is another page.
    limit: limit + 1,
    ...defined({ after: beforeId === undefined ? undefined : parseId("auditLog", beforeId) }),
    ...(before === undefined || beforeId !== undefined ? {} : { before: momentOf(before) }),
    ...defined({ resourceTypes: resources?.split(","), actions: action?.split(",") }),
  });
  const items = rows.slice(0, limit).map(entryJson);
  const last = items.at(-1);
  return {
    items,
    ...(rows.length > limit && last ? { next_before: last.created_at, next_before_id: last.id } : {}),
  };
}

function momentOf(text: string): Date {
  const moment = new Date(text);
  if (!Number.isNaN(moment.getTime())) return moment;
  throw new WrennError("invalid_field", { field: "before", problem: "must be a moment of time" });
}

function entryJson(row: AuditRow): Static<typeof Entry> {
  return {
    id: formatId("auditLog", row.id),
    actor_type: row.actor_type,
    ...defined({ actor_id: row.actor_id ?? undefined, actor_name: row.actor_name ?? undefined }),
    resource_type: row.resource_type,
    ...defined({ resource_id: row.resource_id ?? undefined }),
    action: row.action,
    scope: row.scope,
    status: row.status,
    ...(Object.keys(row.metadata).length === 0 ? {} : { metadata: row.metadata }),
    created_at: timestamp(row.created_at),
  };
}
