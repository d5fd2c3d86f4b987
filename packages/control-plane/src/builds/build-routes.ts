import type { Readable } from "node:stream";
import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { identityOf, teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { isContractRoute } from "../http/contract-routes.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { PendingWork } from "../http/pending-work.ts";
import type { WorkLimits } from "../http/pending-work.ts";
import { refusals } from "../http/schemas.ts";
import { prefersStrict } from "../http/strict-fields.ts";
import { BuildBody, requestOf } from "./build-body.ts";
import { readBuildForm } from "./build-form.ts";
import { archiveLimit } from "./build-archives.ts";
import type { BuildArchives, UploadedArchive } from "./build-archives.ts";
import { begunBuild, scopeOf } from "./begun-build.ts";
import { Build, buildJson, lineJson, LogLine } from "./build-json.ts";
import { MAX_LINES } from "./builds.ts";
import type { BuildsService } from "./builds.ts";

/** Uploads of archives under way: each holds some pieces of an archive in memory. */
export const uploadLimits: WorkLimits = {
  capsule: { count: Infinity, bytes: Infinity },
  team: { count: 4, bytes: Infinity },
  server: { count: 32, bytes: Infinity },
};
const tags = ["builds"];
const BuildParams = Type.Object({ id: Type.String({ description: "Build id, `bld-` and 25 characters" }) });

declare module "fastify" {
  interface FastifyRequest {
    /** The archive that came with a form, until a build has it. */
    buildArchive?: UploadedArchive | undefined;
  }
}

export interface BuildRoutesDeps {
  readonly builds: BuildsService;
  readonly archives: BuildArchives;
  readonly record: RecordAudit;
}

/** Builds of templates of a team, or of the platform (docs/reference/builds.md). */
export async function registerBuilds(app: App, deps: BuildRoutesDeps, base: string): Promise<void> {
  const uploads = new PendingWork(uploadLimits);
  await app.register(async (group) => {
    acceptForms(group, deps, uploads);
    registerStart(group, deps, base);
  });
  registerBuildRoutes(app, deps, base);
}

/** Takes the body of a form for the JSON of its field `config`, and stores its archive. */
function acceptForms(app: App, { archives }: Pick<BuildRoutesDeps, "archives">, uploads: PendingWork): void {
  app.addContentTypeParser("multipart/form-data", async (request: FastifyRequest, body: Readable) => {
    const { method, headers, routeOptions } = request;
    const { teamId } = identityOf(request);
    using _upload = uploads.begin(teamId);
    const limit = archiveLimit(teamId);
    const form = await readBuildForm<UploadedArchive>(
      body,
      headers,
      {
        name: "archive",
        limit,
        tooLarge: () => new WrennError("archive_too_large", { limit }),
        store: async (content, mostBytes) => await archives.receive(teamId, content, mostBytes),
        discard: async ({ id }) => await archives.drop(id),
      },
      prefersStrict(headers) || !isContractRoute(method, routeOptions.url ?? ""),
    );
    request.buildArchive = form.file;
    return form.config;
  });
  // One that is part of a build by now is not deleted.
  app.addHook("onResponse", async ({ buildArchive }) => {
    if (buildArchive) await archives.drop(buildArchive.id);
  });
}

function registerStart(app: App, { builds, record }: BuildRoutesDeps, base: string): void {
  app.post(
    base,
    {
      schema: {
        summary: "Build a template",
        description:
          "Answers as soon as the build is in the queue. The body is JSON, or `multipart/form-data` with this JSON as the field `config` and the files that the recipe copies as the file `archive` (tar, tar.gz or zip, 100 MiB). A version of the template gets the tag when the build succeeds, and the tag moves to it from the version before. 400 `recipe_invalid` with the position of each problem, 403 `quota_exceeded`, 404 for an unknown base template, 413 for a longer archive.",
        tags,
        body: BuildBody,
        consumes: ["application/json", "multipart/form-data"],
        response: { 201: Build, ...refusals },
      },
      preValidation: async (request) => {
        // Sizes of zero and less mean the default; only then is a lower bound meaningful.
        const body = request.body as Record<string, unknown> | undefined | null;
        if (typeof body !== "object" || body === null) return;
        for (const name of ["vcpus", "memory_mb"])
          if (typeof body[name] === "number" && body[name] <= 0) delete body[name];
      },
    },
    async (request, reply) => {
      const { body, buildArchive } = request;
      const row = await builds.start(teamOf(request), requestOf(body), buildArchive);
      return await reply.status(201).send(await begunBuild(request, row, { record, base }));
    },
  );
}

function registerBuildRoutes(app: App, { builds, record }: BuildRoutesDeps, base: string): void {
  app.get(
    base,
    {
      schema: {
        summary: "List builds, newest first",
        description: "Of those that have ended the newest 100 are kept. `logs` is empty in lists.",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(Build), ...refusals },
      },
    },
    async (request, reply) => {
      const rows = await builds.list(teamOf(request));
      return pageThrough(reply, request, rows, {
        list: "builds",
        keyOf: (row) => timeKey(row.created_at, row.id),
        newestFirst: true,
      }).map((row) => buildJson(row));
    },
  );

  app.get(
    `${base}/:id`,
    {
      schema: {
        summary: "A build with the steps that have ended",
        tags,
        params: BuildParams,
        response: { 200: Build, ...refusals },
      },
    },
    async (request) => {
      const row = await builds.get(teamOf(request), request.params.id);
      return buildJson(row, await builds.steps(row));
    },
  );

  app.get(
    `${base}/:id/logs`,
    {
      schema: {
        summary: "Lines of the log of a build",
        description:
          "From line `from` on. Ask again with `next_from` until the build has ended and there are no more lines. A WebSocket at the same address sends lines as they are printed.",
        tags,
        params: BuildParams,
        querystring: Type.Object({
          from: Type.Optional(Type.Integer({ minimum: 0, maximum: 2_147_483_647 })),
          limit: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_LINES })),
        }),
        response: {
          200: Type.Object({
            lines: Type.Array(LogLine),
            next_from: Type.Integer(),
            status: Build.properties.status,
          }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { from = 0, limit = MAX_LINES } = request.query;
      const { lines, next, build } = await builds.log(teamOf(request), request.params.id, from, limit);
      return { lines: lines.map(lineJson), next_from: next, status: build.status };
    },
  );

  app.post(
    `${base}/:id/cancel`,
    {
      schema: {
        summary: "Cancel a build",
        description: "The step that runs is broken off, and nothing is made of it. 400 when it has ended.",
        tags,
        params: BuildParams,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const row = await builds.cancel(teamOf(request), request.params.id);
      const { id, name } = buildJson(row);
      await record(request, {
        resource: "build",
        resourceId: id,
        action: "cancel",
        status: "warning",
        ...scopeOf(base),
        metadata: { name },
      });
      return await reply.status(204).send(null);
    },
  );
}
