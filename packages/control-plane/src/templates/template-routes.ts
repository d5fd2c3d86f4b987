import { Type } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageFields, pageThrough } from "../http/paging.ts";
import { refusals, SafeName } from "../http/schemas.ts";
import { platformJson, snapshotJson, Template } from "./template-json.ts";
import type { TemplatesService } from "./templates.ts";
import type { Clock } from "@wrenn/core";
import type { RecordAudit } from "../audit/audit.ts";

const types = ["base", "snapshot"] as const;

export interface TemplatesDeps {
  readonly templates: TemplatesService;
  readonly clock: Clock;
  readonly record: RecordAudit;
}

/** Templates (docs/reference/rest-api.md#templates). */
export function registerTemplates(app: App, { templates, clock, record }: TemplatesDeps): void {
  const startedAt = new Date(clock.now());

  app.get(
    "/v1/snapshots",
    {
      schema: {
        summary: "List templates, newest first",
        tags: ["templates"],
        querystring: Type.Object({
          type: Type.Optional(Type.Union(types.map((type) => Type.Literal(type)))),
          ...pageFields,
        }),
        response: { 200: Type.Array(Template), ...refusals },
      },
    },
    async (request, reply) => {
      const { type } = request.query;
      const teams = [...new Set([teamOf(request), PLATFORM_TEAM])];
      const made =
        type === "base" ? [] : (await Promise.all(teams.map((team) => templates.list(team)))).flat();
      const builtIn = type === "snapshot" ? [] : await templates.listBuiltIn(teamOf(request));
      const all = [...made.map(snapshotJson), ...builtIn.map((facts) => platformJson(facts, startedAt))];
      return pageThrough(reply, request, all, {
        list: "templates",
        keyOf: (one) => `${one.platform ? 0 : 1}.${one.created_at}.${one.name}`,
        newestFirst: true,
      });
    },
  );

  app.delete(
    "/v1/snapshots/:name",
    {
      schema: {
        summary: "Delete a template",
        description: "403 for built-in templates, 409 with the capsules that use it.",
        tags: ["templates"],
        params: Type.Object({ name: SafeName }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { name } = request.params;
      await templates.remove(teamOf(request), name);
      await record(request, { resource: "template", resourceId: name, action: "delete", status: "warning" });
      return await reply.status(204).send(null);
    },
  );
}
