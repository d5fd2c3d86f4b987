import { Type } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { pageFields, pageThrough } from "../http/paging.ts";
import { refusals, SafeName } from "../http/schemas.ts";
import {
  detailsJson,
  ListedTemplate,
  listedJson,
  tagJson,
  TemplateDetails,
  TemplateTag,
} from "./template-json.ts";
import { parseTemplateName, Tag, TemplateReference } from "./template-name.ts";
import type { TemplateVersions } from "./template-versions.ts";
import type { TemplatesService } from "./templates.ts";

const PATH = "/v1/templates";
const NameParams = Type.Object({ name: SafeName });
const TagParams = Type.Object({ name: SafeName, tag: Tag });
const VersionParams = Type.Object({
  name: SafeName,
  version: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }),
});

export interface VersionRoutesDeps {
  readonly templates: TemplatesService;
  readonly versions: TemplateVersions;
  readonly record: RecordAudit;
}

/** Versions, tags and visibility of templates (docs/reference/rest-api.md#templates). */
export function registerVersionRoutes(app: App, { templates, versions, record }: VersionRoutesDeps): void {
  const tags = ["templates"];

  app.get(
    PATH,
    {
      schema: {
        summary: "List templates of the team, or those that teams have made public, newest first",
        description:
          "One entry for each template, with its `default` version. Without `public`: those of the team. With `public=true`: those of every team, at most 1000, with the reference that a create uses.",
        tags,
        querystring: Type.Object({ public: Type.Optional(Type.Boolean()), ...pageFields }),
        response: { 200: Type.Array(ListedTemplate), ...refusals },
      },
    },
    async (request, reply) => {
      const rows =
        request.query.public === true ? await versions.listPublic() : await templates.list(teamOf(request));
      return pageThrough(reply, request, rows.map(listedJson), {
        list: "versioned-templates",
        keyOf: (one) => `${one.created_at}.${one.reference}`,
        newestFirst: true,
      });
    },
  );

  app.get(
    `${PATH}/:name`,
    {
      schema: {
        summary: "A template with its versions and tags",
        description:
          "`name` may be that of a template of the platform, or `team/name` of one that a team has made public (escape the slash: `%2F`). 404 for one that is not public, as for one that does not exist.",
        tags,
        params: Type.Object({ name: TemplateReference }),
        response: { 200: TemplateDetails, ...refusals },
      },
    },
    async (request) => {
      const { name } = request.params;
      const found = await versions.get(teamOf(request), name);
      return detailsJson(parseTemplateName(name).name, found.versions, found.tags, found.isOwn);
    },
  );

  app.patch(
    `${PATH}/:name`,
    {
      schema: {
        summary: "Let every team start capsules from a template, or no longer",
        description:
          "A public template is listed for every team. Its capsules start with the memory and files of the capsule that it was made of: make sure that these hold no secrets. Capsules that run stay when it is no longer public.",
        tags,
        params: NameParams,
        body: Type.Object({ public: Type.Boolean() }, { examples: [{ public: true }] }),
        response: { 200: TemplateDetails, ...refusals },
      },
    },
    async (request) => {
      const { name } = request.params;
      const team = teamOf(request);
      await versions.setPublic(team, name, request.body.public);
      await record(request, {
        resource: "template",
        resourceId: name,
        action: request.body.public ? "publish" : "unpublish",
        ...(request.body.public ? { status: "warning" } : {}),
      });
      const found = await versions.get(team, name);
      return detailsJson(name, found.versions, found.tags, found.isOwn);
    },
  );

  app.get(
    `${PATH}/:name/tags`,
    {
      schema: {
        summary: "List the tags of a template",
        tags,
        params: Type.Object({ name: TemplateReference }),
        querystring: Type.Object(pageFields),
        response: { 200: Type.Array(TemplateTag), ...refusals },
      },
    },
    async (request, reply) => {
      const found = await versions.get(teamOf(request), request.params.name);
      return pageThrough(reply, request, found.tags.map(tagJson), {
        list: "template-tags",
        keyOf: ({ tag }) => tag,
        newestFirst: false,
      });
    },
  );

  app.put(
    `${PATH}/:name/tags/:tag`,
    {
      schema: {
        summary: "Give a tag to a version of a template",
        description:
          "The version that had the tag loses it and stays. Capsules that run are not affected. 403 beyond 100 tags, 404 for an unknown version.",
        tags,
        params: TagParams,
        body: Type.Object(
          { version: Type.Integer({ minimum: 1, maximum: 2_147_483_647 }) },
          { examples: [{ version: 3 }] },
        ),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { name, tag } = request.params;
      const { version } = request.body;
      await versions.setTag(teamOf(request), name, tag, version);
      await record(request, {
        resource: "template",
        resourceId: name,
        action: "tag",
        metadata: { tag, version: String(version) },
      });
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    `${PATH}/:name/tags/:tag`,
    {
      schema: {
        summary: "Take a tag away",
        description: "Its version stays, and can be given another one.",
        tags,
        params: TagParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { name, tag } = request.params;
      await versions.deleteTag(teamOf(request), name, tag);
      await record(request, { resource: "template", resourceId: name, action: "untag", metadata: { tag } });
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    `${PATH}/:name/versions/:version`,
    {
      schema: {
        summary: "Delete a version of a template, with its tags",
        description:
          "409 with the capsules of the team that use it. The last version takes the template with it.",
        tags,
        params: VersionParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const { name, version } = request.params;
      await versions.removeVersion(teamOf(request), name, version);
      await record(request, {
        resource: "template",
        resourceId: name,
        action: "delete",
        status: "warning",
        metadata: { version: String(version) },
      });
      return await reply.status(204).send(null);
    },
  );
}
