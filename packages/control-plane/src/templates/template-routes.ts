import type { TemplateRow } from "@wrenn/database";
import type { TemplateFacts } from "@wrenn/protocol";
import { randomHex, systemRandom } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { pageFields, pageThrough } from "../http/paging.ts";
import { refusals, SafeName } from "../http/schemas.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsulesService } from "../capsules/capsule-rows.ts";
import type { TemplatesService } from "./templates.ts";
import type { Clock } from "@wrenn/core";
import type { RecordAudit } from "../audit/audit.ts";

export const Template = Type.Object({
  name: Type.String(),
  type: Type.String({ description: "base or snapshot" }),
  vcpus: Type.Optional(Type.Integer()),
  memory_mb: Type.Optional(Type.Integer()),
  size_bytes: Type.Integer(),
  created_at: Type.String(),
  platform: Type.Boolean({ description: "Everybody may use it" }),
  metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
});

const types = ["base", "snapshot"] as const;

export interface TemplateRoutesDeps {
  readonly fleet: Fleet;
  readonly capsules: CapsulesService;
  readonly templates: TemplatesService;
  readonly clock: Clock;
  readonly record: RecordAudit;
}

/** Templates (contract 10 §9). */
export function registerTemplateRoutes(
  app: App,
  { fleet, capsules, templates, clock, record }: TemplateRoutesDeps,
): void {
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
      const builtIn = type === "snapshot" ? [] : await fleet.templates();
      const all = [...made.map(snapshotJson), ...builtIn.map((facts) => platformJson(facts, startedAt))];
      return pageThrough(reply, request, all, {
        list: "templates",
        keyOf: (one) => `${one.platform ? 0 : 1}.${one.created_at}.${one.name}`,
        newestFirst: true,
      });
    },
  );

  app.post(
    "/v1/snapshots",
    {
      schema: {
        summary: "Make a template of a capsule",
        description:
          "A running capsule is paused for it and stays paused. Capsules that start from the template have its sizes. 409 when the name is taken and `overwrite` is not set, or belongs to a built-in template.",
        tags: ["templates"],
        body: Type.Object({ sandbox_id: Type.String(), name: Type.Optional(SafeName) }),
        querystring: Type.Object({ overwrite: Type.Optional(Type.Boolean()) }),
        response: { 201: Template, ...refusals },
      },
    },
    async (request, reply) => {
      const { sandbox_id: id, name = `snapshot-${randomHex(systemRandom, 4)}` } = request.body;
      const row = await capsules.life.snapshot(teamOf(request), id, {
        name,
        overwrite: request.query.overwrite ?? false,
      });
      await record(request, { resource: "template", resourceId: row.name, action: "create" });
      return await reply.status(201).send(snapshotJson(row));
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

export function platformJson(template: TemplateFacts, since: Date): Static<typeof Template> {
  return {
    name: template.name,
    type: "base",
    vcpus: template.vcpus,
    memory_mb: template.memoryMib,
    size_bytes: template.sizeBytes,
    created_at: timestamp(since),
    platform: true,
  };
}

export function snapshotJson(row: TemplateRow): Static<typeof Template> {
  return {
    name: row.name,
    type: "snapshot",
    vcpus: row.vcpus,
    memory_mb: row.memory_mb,
    size_bytes: Number(row.size_bytes),
    created_at: timestamp(row.created_at),
    platform: row.team_id === PLATFORM_TEAM,
    ...(Object.keys(row.metadata).length === 0 ? {} : { metadata: row.metadata }),
  };
}
