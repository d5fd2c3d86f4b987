import { teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, isUuid, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { announcedBuildQueries, DEFAULT_TAG } from "@wrenn/database";
import type { AnnouncedBuild, BuildRow } from "@wrenn/database";
import { Type } from "typebox";
import { errors } from "../api/error-body.ts";
import { isAtLeast, levelOfLine, LogLevel } from "../observe/log-levels.ts";
import { registryLogin } from "../registries/registry-login.ts";
import type { RegistryPassword } from "../registries/ecr-login.ts";
import { baseOf, BuildFields, readinessCheck, recipeOf } from "./build-recipe.ts";
import type { BuildBase, ClientRecipe } from "./build-recipe.ts";
import { BuildLogEntry, BuildState, buildState, logEntries } from "./build-status.ts";
import { tarOf, tarSize } from "./tar-of-files.ts";
import { teamSlug } from "./team-slug.ts";
import { ownName, requireTag } from "./template-reference.ts";

/** What clients that send no sizes expect. */
const [VCPUS, MEMORY_MIB] = [2, 1024];
/** For the login at a registry. */
const LOGIN_MS = 15_000;
/** Announced builds of a team that are kept. */
const KEPT = 100;
/** Entries of a log in one answer. */
const MAX_ENTRIES = 100;
/** What a build keeps of its log is bounded. */
const ALL_LINES = Number.MAX_SAFE_INTEGER;

const BuildParams = Type.Object({ templateID: Type.String(), buildID: Type.String() });

export interface TemplateBuildRoutesDeps {
  readonly services: SharedServices;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly random: Random;
}

/** Builds of templates: announced first, then started with their steps, and looked at until they have ended. */
export function registerBuilds(app: App, { services, fetch, clock, random }: TemplateBuildRoutesDeps): void {
  const { database } = services;
  registerBuildLogs(app, services);

  app.post(
    "/v3/templates",
    {
      config: { scope: "manage" },
      schema: {
        body: Type.Object({
          name: Type.Optional(Type.String({ maxLength: 256 })),
          alias: Type.Optional(Type.String({ maxLength: 256 })),
          tags: Type.Optional(Type.Array(Type.String({ maxLength: 64 }), { maxItems: 50 })),
          cpuCount: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
          memoryMB: Type.Optional(Type.Integer({ minimum: 128, maximum: 65_536 })),
        }),
        response: {
          202: Type.Object({
            templateID: Type.String(),
            buildID: Type.String(),
            names: Type.Array(Type.String()),
            tags: Type.Array(Type.String()),
            aliases: Type.Array(Type.String()),
            public: Type.Boolean(),
          }),
          ...errors,
        },
      },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const { body } = request;
      const slug = await teamSlug(database, team);
      const given = body.name ?? body.alias ?? "";
      const { name, tag } = ownName(given, slug, "name");
      const wanted = body.tags ?? [];
      for (const one of wanted) requireTag(one, "tags");
      // A tag of the name comes first; without any it is the default one.
      const tags = [...new Set(given.includes(":") || wanted.length === 0 ? [tag, ...wanted] : wanted)];
      await services.templates.requireFree(team, name, true);
      const build: Omit<AnnouncedBuild, "created_at"> = {
        id: random.uuid(),
        team_id: team,
        name,
        tags,
        vcpus: body.cpuCount ?? VCPUS,
        memory_mb: body.memoryMB ?? MEMORY_MIB,
      };
      await announcedBuildQueries.announceBuild(database.db, build, KEPT);
      return await reply.status(202).send({
        templateID: name,
        buildID: build.id,
        names: [`${slug}/${name}`],
        tags,
        aliases: [name],
        public: false,
      });
    },
  );

  app.post(
    "/v2/templates/:templateID/builds/:buildID",
    {
      config: { scope: "manage" },
      schema: { params: BuildParams, body: BuildFields, response: { 202: Type.Object({}), ...errors } },
    },
    async (request, reply) => {
      const team = teamOf(request);
      const announced = await findAnnounced(services, team, request.params.buildID);
      if (!announced) throw new WrennError("build_not_found", {});
      const { fromImageRegistry: registry } = request.body;
      const signal = AbortSignal.timeout(LOGIN_MS);
      const login = registry && (await registryLogin(registry, { fetch, clock }, signal));
      const row = await start(services, announced, request.body, login);
      await services.record(request, {
        resource: "build",
        resourceId: formatId("build", row.id),
        action: "create",
        metadata: { name: row.name },
      });
      return await reply.status(202).send({});
    },
  );
}

function registerBuildLogs(app: App, services: SharedServices): void {
  app.get(
    "/templates/:templateID/builds/:buildID/status",
    {
      schema: {
        params: BuildParams,
        querystring: Type.Object({
          logsOffset: Type.Optional(Type.Integer({ minimum: 0 })),
          limit: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ENTRIES })),
          level: Type.Optional(LogLevel),
        }),
        response: { 200: BuildState, ...errors },
      },
    },
    async (request) => {
      const team = teamOf(request);
      const { buildID } = request.params;
      const { logsOffset = 0, limit = MAX_ENTRIES, level } = request.query;
      const announced = await findAnnounced(services, team, buildID);
      try {
        const id = buildIdOf(buildID);
        if (level === undefined) {
          const { build, lines } = await services.builds.log(team, id, logsOffset, limit);
          return buildState(build, lines);
        }
        const { build, lines } = await services.builds.log(team, id, 0, ALL_LINES);
        const found = lines.filter((line) => isAtLeast(levelOfLine(line), level));
        return buildState(build, found.slice(logsOffset, logsOffset + limit));
      } catch (error) {
        if (!announced || !WrennError.is(error, "build_not_found")) throw error;
        const { id, name } = announced;
        return { templateID: name, buildID: id, status: "waiting" as const, logs: [], logEntries: [] };
      }
    },
  );

  app.get(
    "/templates/:templateID/builds/:buildID/logs",
    {
      schema: {
        params: BuildParams,
        querystring: Type.Object({
          cursor: Type.Optional(Type.Integer({ minimum: 0 })),
          limit: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_ENTRIES })),
          direction: Type.Optional(Type.Union([Type.Literal("forward"), Type.Literal("backward")])),
          level: Type.Optional(LogLevel),
          source: Type.Optional(Type.String()),
        }),
        response: { 200: Type.Object({ logs: Type.Array(BuildLogEntry) }), ...errors },
      },
    },
    async (request) => {
      const { cursor, limit = MAX_ENTRIES, direction = "forward", level } = request.query;
      const id = buildIdOf(request.params.buildID);
      const { build, lines } = await services.builds.log(teamOf(request), id, 0, ALL_LINES);
      const isForward = direction === "forward";
      const within = lines.filter((line) => {
        const at = line.at.getTime();
        const isOnSide = isForward ? at >= (cursor ?? 0) : at <= (cursor ?? Infinity);
        return isOnSide && isAtLeast(levelOfLine(line), level);
      });
      return { logs: logEntries(build, (isForward ? within : within.toReversed()).slice(0, limit)) };
    },
  );
}

/** @throws WrennError `build_not_found` for a text that is no id. */
function buildIdOf(uuid: string): string {
  if (!isUuid(uuid)) throw new WrennError("build_not_found", {});
  return formatId("build", uuid);
}

async function findAnnounced(
  { database }: SharedServices,
  teamId: string,
  id: string,
): Promise<AnnouncedBuild | undefined> {
  return isUuid(id) ? await announcedBuildQueries.findAnnounced(database.db, teamId, id) : undefined;
}

async function start(
  services: SharedServices,
  build: AnnouncedBuild,
  fields: BuildFields,
  login: RegistryPassword | undefined,
): Promise<BuildRow> {
  const { builds, archives } = services;
  const recipe = recipeOf(fields, await baseFacts(services, build.team_id, fields));
  const [tag = DEFAULT_TAG, ...tags] = build.tags;
  const archive = await archiveOf(services, build.team_id, recipe);
  try {
    return await builds.start(
      build.team_id,
      {
        id: build.id,
        name: `${build.name}:${tag}`,
        tags,
        baseTemplate: undefined,
        recipe: { form: "text", text: recipe.text, file: "template", args: {} },
        sources: new Map(
          [...recipe.files].map(([step, digest]) => [step, { digest, single: true, archives: [] }]),
        ),
        secrets: {},
        login,
        imageArchive: undefined,
        repeatFrom: recipe.repeatFrom,
        healthcheck: readinessCheck(fields),
        vcpus: build.vcpus,
        memoryMib: build.memory_mb,
      },
      archive,
    );
  } finally {
    // One that is part of the build by now is not deleted.
    if (archive) await archives.drop(archive.id);
  }
}

/** What the template of a build's base says of user and directory. */
async function baseFacts(
  { templates }: SharedServices,
  teamId: string,
  fields: BuildFields,
): Promise<BuildBase> {
  const { from, isTemplate } = baseOf(fields);
  if (!isTemplate) return {};
  const { user, cwd } = await templates.find(teamId, from);
  return { user, cwd };
}

/** The uploaded files of all steps as one archive, with a directory for each step; undefined when no step takes files. */
async function archiveOf({ archives, database }: SharedServices, teamId: string, { files }: ClientRecipe) {
  if (files.size === 0) return undefined;
  const parts = [];
  for (const [step, hash] of files) {
    const stored = await announcedBuildQueries.findBuildFiles(database.db, teamId, hash);
    if (!stored)
      throw new WrennError("invalid_field", {
        field: "steps",
        problem: `have files that were not uploaded: ${hash}`,
      });
    const name = `${step}/${hash}.tar`;
    parts.push({ name, sizeBytes: stored.sizeBytes, content: () => archives.read(stored) });
  }
  return await archives.receive(teamId, tarOf(parts), tarSize(parts));
}
