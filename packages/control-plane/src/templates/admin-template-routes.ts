import { formatId } from "@wrenn/core";
import { Type } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { App } from "../http/app.ts";
import { pageThrough, PageQuery } from "../http/paging.ts";
import { refusals, SafeName } from "../http/schemas.ts";
import { platformJson, snapshotJson, Template } from "./template-json.ts";
import type { TemplatesService } from "./templates.ts";
import type { Clock } from "@wrenn/core";
import type { RecordAudit } from "../audit/audit.ts";

const TeamsTemplate = Type.Object({
  ...Template.properties,
  team_id: Type.String(),
  team_name: Type.String(),
});
const tags = ["admin"];

export interface TemplatesAdminDeps {
  readonly templates: TemplatesService;
  readonly clock: Clock;
  readonly record: RecordAudit;
}

/** Templates of all teams, and those that everybody sees, for administrators of the platform (docs/reference/rest-api.md#administration). */
export function registerTemplatesAdmin(app: App, { templates, clock, record }: TemplatesAdminDeps): void {
  const startedAt = new Date(clock.now());

  app.get(
    "/v1/admin/templates",
    {
      schema: {
        summary: "Templates of all teams, newest first",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(TeamsTemplate), ...refusals },
      },
    },
    async (request, reply) => {
      const platform = { team_id: formatId("team", PLATFORM_TEAM), team_name: "Platform" };
      const builtIn = (await templates.listBuiltIn()).map((facts) => ({
        ...platformJson(facts, startedAt),
        ...platform,
      }));
      const made = (await templates.listAll()).map((row) => ({
        ...snapshotJson(row),
        team_id: formatId("team", row.team_id),
        team_name: row.team_name,
      }));
      return pageThrough(reply, request, [...made, ...builtIn], {
        list: "admin-templates",
        keyOf: (one) => `${one.type === "base" ? 0 : 1}.${one.created_at}.${one.team_id}.${one.name}`,
        newestFirst: true,
      });
    },
  );

  app.delete(
    "/v1/admin/templates/:name",
    {
      schema: {
        summary: "Delete a template that the platform made for everybody",
        description: "403 for built-in templates, 409 with the capsules that use it.",
        tags,
        params: Type.Object({ name: SafeName }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      await templates.remove(PLATFORM_TEAM, name);
      // The scope's identity acts in the platform's team.
      await record(request, {
        resource: "template",
        resourceId: name,
        action: "delete",
        scope: "admin",
        status: "warning",
      });
      return await reply.status(204).send(null);
    },
  );
}
