import { TemplateVersions, teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import { announcedBuildQueries, templateQueries } from "@wrenn/database";
import { Type } from "typebox";
import { errors } from "../api/error-body.ts";
import { pageOf, pageQuery } from "../api/pages.ts";
import { teamSlug } from "./team-slug.ts";
import { buildItem, ListedTemplate, listedTemplate, TemplateBuildItem } from "./template-json.ts";
import { ownName, templateReference } from "./template-reference.ts";

const TemplateParams = Type.Object({ templateID: Type.String() });

export interface TemplateRoutesDeps {
  readonly services: SharedServices;
}

/** Templates of the team: look, delete, publish. */
export function registerTemplates(app: App, { services }: TemplateRoutesDeps): void {
  const { capsules, database, fleet, templates } = services;
  const { templateUses } = capsules;
  const versions = new TemplateVersions(database, fleet);
  const own = async (teamId: string, text: string) =>
    ownName(text, await teamSlug(database, teamId), "templateID");
  const list = async (teamId: string) => {
    const slug = await teamSlug(database, teamId);
    const uses = await templateUses.list(teamId);
    return (await templates.list(teamId)).map((row) => listedTemplate(row, uses.get(row.name), slug));
  };

  app.get(
    "/templates",
    {
      schema: {
        querystring: Type.Object({ teamID: Type.Optional(Type.String()) }),
        response: { 200: Type.Array(ListedTemplate), ...errors },
      },
    },
    async (request) => await list(teamOf(request)),
  );

  app.get(
    "/v2/templates",
    {
      schema: {
        querystring: Type.Object({ ...pageQuery, teamID: Type.Optional(Type.String()) }),
        response: { 200: Type.Array(ListedTemplate), ...errors },
      },
    },
    async (request, reply) => [
      ...pageOf(reply, await list(teamOf(request)), ({ templateID }) => templateID, request.query),
    ],
  );

  app.get(
    "/templates/aliases/:alias",
    {
      schema: {
        params: Type.Object({ alias: Type.String() }),
        response: { 200: Type.Object({ templateID: Type.String(), public: Type.Boolean() }), ...errors },
      },
    },
    async (request) => {
      const team = teamOf(request);
      const reference = templateReference(request.params.alias);
      const { isOwn, versions: found } = await versions.get(team, reference);
      if (!isOwn) throw new WrennError("template_protected", { template: reference });
      const [row] = found;
      if (!row) throw new WrennError("template_not_found", { template: reference });
      return { templateID: row.name, public: row.is_public };
    },
  );

  app.get(
    "/templates/:templateID",
    {
      schema: {
        params: TemplateParams,
        response: {
          200: Type.Object({
            templateID: Type.String(),
            public: Type.Boolean(),
            aliases: Type.Array(Type.String()),
            names: Type.Array(Type.String()),
            createdAt: Type.String(),
            updatedAt: Type.String(),
            lastSpawnedAt: ListedTemplate.properties.lastSpawnedAt,
            spawnCount: Type.Integer(),
            builds: Type.Array(TemplateBuildItem),
          }),
          ...errors,
        },
      },
    },
    async (request) => {
      const team = teamOf(request);
      const { name } = await own(team, request.params.templateID);
      const rows = await templateQueries.listVersions(database.db, team, name);
      const [newest] = rows;
      if (!newest) throw new WrennError("template_not_found", { template: name });
      const uses = await templateUses.list(team, name);
      const listed = listedTemplate(newest, uses.get(name), await teamSlug(database, team));
      const { templateID, aliases, names, updatedAt, lastSpawnedAt, spawnCount } = listed;
      const createdAt = rows.at(-1)?.created_at.toISOString() ?? updatedAt;
      const builds = rows.map(buildItem);
      const named = { templateID, public: listed.public, aliases, names };
      return { ...named, createdAt, updatedAt, lastSpawnedAt, spawnCount, builds };
    },
  );

  app.delete(
    "/templates/:templateID",
    {
      config: { scope: "manage" },
      schema: { params: TemplateParams, response: { 204: Type.Null(), ...errors } },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { templateID } = request.params;
      const { name, tag } = await own(team, templateID);
      if (templateID.includes(":")) await removeTag(name, tag, team);
      else await templates.remove(team, name);
      await services.record(request, {
        resource: "template",
        resourceId: templateID.toLowerCase(),
        action: "delete",
        status: "warning",
      });
      return await reply.status(204).send(null);
    },
  );

  /** The version of a tag ends with its last tag. */
  const removeTag = async (name: string, tag: string, team: string): Promise<void> => {
    const row = await templateQueries.findTemplate(database.db, team, name, tag);
    if (!row) throw new WrennError("template_not_found", { template: `${name}:${tag}` });
    if (row.tags.length > 1) await versions.deleteTag(team, name, tag);
    else await versions.removeVersion(team, name, row.version);
  };

  for (const path of ["/templates/:templateID", "/v2/templates/:templateID"])
    app.patch(
      path,
      {
        config: { scope: "manage" },
        schema: {
          params: TemplateParams,
          body: Type.Object({ public: Type.Optional(Type.Boolean()) }),
          response: { 200: Type.Object({ names: Type.Array(Type.String()) }), ...errors },
        },
      },
      async (request) => {
        const team = teamOf(request);
        const { name } = await own(team, request.params.templateID);
        const { public: isPublic } = request.body;
        if (isPublic !== undefined) await versions.setPublic(team, name, isPublic);
        return { names: [`${await teamSlug(database, team)}/${name}`] };
      },
    );

  registerTags(app, services, versions);
}

function registerTags(app: App, { database }: SharedServices, versions: TemplateVersions): void {
  const { db } = database;
  const Tags = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { minItems: 1, maxItems: 50 });
  const own = async (teamId: string, text: string, field: string) =>
    ownName(text, await teamSlug(database, teamId), field);

  app.post(
    "/templates/tags",
    {
      config: { scope: "manage" },
      schema: {
        body: Type.Object({ target: Type.String({ maxLength: 256 }), tags: Tags }),
        response: {
          201: Type.Object({ buildID: Type.String(), tags: Type.Array(Type.String()) }),
          ...errors,
        },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { target, tags } = request.body;
      const { name, tag } = await own(team, target, "target");
      for (const one of tags) await own(team, `${name}:${one}`, "tags");
      const row = await templateQueries.findTemplate(db, team, name, tag);
      if (!row) throw new WrennError("template_tag_not_found", { template: name, tag });
      for (const one of tags) await versions.setTag(team, name, one.toLowerCase(), row.version);
      return await reply.status(201).send({ buildID: row.id, tags });
    },
  );

  app.delete(
    "/templates/tags",
    {
      config: { scope: "manage" },
      schema: {
        body: Type.Object({ name: Type.String({ maxLength: 256 }), tags: Tags }),
        response: { 204: Type.Null(), ...errors },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { name } = await own(team, request.body.name, "name");
      for (const tag of request.body.tags) await versions.deleteTag(team, name, tag);
      return await reply.status(204).send(null);
    },
  );

  app.get(
    "/templates/:templateID/tags",
    {
      schema: {
        params: TemplateParams,
        response: {
          200: Type.Array(
            Type.Object({ tag: Type.String(), buildID: Type.String(), createdAt: Type.String() }),
          ),
          ...errors,
        },
      },
    },
    async (request) => {
      const team = teamOf(request);
      const { name } = await own(team, request.params.templateID, "templateID");
      const rows = await templateQueries.listVersions(db, team, name);
      const isKnown = rows.length > 0 || (await announcedBuildQueries.isAnnounced(db, team, name));
      if (!isKnown) throw new WrennError("template_not_found", { template: name });
      const ids = new Map(rows.map((row) => [row.version, row.id]));
      return (await templateQueries.listTags(db, team, name)).map(({ tag, version, tagged_at: at }) => ({
        tag,
        buildID: ids.get(version) ?? "",
        createdAt: at.toISOString(),
      }));
    },
  );
}
