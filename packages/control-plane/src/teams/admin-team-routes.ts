import { defined, formatId, parseId } from "@wrenn/core";
import type { ListedTeam } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { NumberedQuery, pageInfoFields, pageSlice } from "../http/numbered-pages.ts";
import { refusals } from "../http/schemas.ts";
import { memberJson, MemberJson } from "./team-routes.ts";
import type { AdminTeams } from "./admin-teams.ts";
import type { DeletionService } from "./deletion.ts";

const MAX_LIMIT = 1_000_000_000;
const MAX_KEPT = 100_000;

const Team = Type.Object({
  id: Type.String(),
  name: Type.String(),
  slug: Type.String(),
  is_byoc: Type.Boolean(),
  created_at: Type.String(),
  deleted_at: Type.Union([Type.String(), Type.Null()]),
  member_count: Type.Integer(),
  owner_name: Type.String({ description: "Empty for a team that nobody owns" }),
  owner_email: Type.String(),
  active_sandbox_count: Type.Integer({ description: "Neither paused nor ended" }),
  channel_count: Type.Integer(),
});

const Count = Type.Integer({ minimum: 0, maximum: MAX_LIMIT });
const KeptCount = Type.Integer({
  minimum: 0,
  maximum: MAX_KEPT,
  description: "Older checkpoints of a capsule are removed; 0: as the installation says",
});
const KeptDays = Type.Integer({
  minimum: 0,
  maximum: MAX_KEPT,
  description: "What is older is removed; 0: as the installation says",
});
const limits = {
  max_capsules: Count,
  max_vcpus: Count,
  max_memory_mb: Count,
  max_templates: Count,
  max_channels: Count,
  max_builds: Count,
  max_storage_mb: Count,
  max_checkpoints: Count,
  max_capsule_checkpoints: Count,
  keep_checkpoints: KeptCount,
  keep_checkpoint_days: KeptDays,
  keep_paused_days: KeptDays,
};
const Limits = Type.Object(limits);

const TeamParams = Type.Object({ id: Type.String() });
const tags = ["admin"];
const none = { 204: Type.Null(), ...refusals };

export interface TeamsAdminDeps {
  readonly adminTeams: AdminTeams;
  readonly deletion: DeletionService;
}

/** Teams, for administrators of the platform (docs/reference/rest-api.md#administration). */
export function registerTeamsAdmin(app: App, { adminTeams, deletion }: TeamsAdminDeps): void {
  app.get(
    "/v1/admin/teams",
    {
      schema: {
        summary: "Every team, living ones first, then newest first",
        tags,
        querystring: NumberedQuery,
        response: { 200: Type.Object({ teams: Type.Array(Team), ...pageInfoFields }), ...refusals },
      },
    },
    async (request) => {
      const { offset, limit, pageInfo } = pageSlice(request.query);
      const { teams, total } = await adminTeams.list(offset, limit);
      return { teams: teams.map(teamJson), ...pageInfo(total) };
    },
  );

  app.get(
    "/v1/admin/teams/:id",
    {
      schema: {
        summary: "A team, its members, and how much it may have",
        tags,
        params: TeamParams,
        response: {
          200: Type.Object({ team: Team, members: Type.Array(MemberJson), limits: Type.Optional(Limits) }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { team, members, limits: present } = await adminTeams.get(parseId("team", request.params.id));
      return {
        team: teamJson(team),
        members: members.map(memberJson),
        ...defined({ limits: present }),
      };
    },
  );

  app.patch(
    "/v1/admin/teams/:id/limits",
    {
      schema: {
        summary: "Say how much a team may have",
        description: "What it has beyond that stays; it gets no more.",
        tags,
        params: TeamParams,
        body: Type.Partial(Limits),
        response: { 200: Limits, ...refusals },
      },
    },
    async (request) =>
      await adminTeams.setLimits(sessionOf(request), parseId("team", request.params.id), request.body),
  );

  app.put(
    "/v1/admin/teams/:id/byoc",
    {
      schema: {
        summary: "Let a team have hosts of its own; there is no way back",
        tags,
        params: TeamParams,
        body: Type.Object({ enabled: Type.Literal(true) }),
        response: none,
      },
    },
    async (request, reply) => {
      await adminTeams.enableByoc(sessionOf(request), parseId("team", request.params.id));
      return await reply.status(204).send(null);
    },
  );

  app.put(
    "/v1/admin/teams/:id/public-ports",
    {
      schema: {
        summary: "Say whether capsules of a team can have public ports",
        description:
          "Without them, ports that are public are private until they are allowed again. Signed links and credentials of the team work as before.",
        tags,
        params: TeamParams,
        body: Type.Object({ allowed: Type.Boolean() }),
        response: none,
      },
    },
    async (request, reply) => {
      const { allowed } = request.body;
      await adminTeams.allowPublicPorts(sessionOf(request), parseId("team", request.params.id), allowed);
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    "/v1/admin/teams/:id",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "Delete a team with its capsules, templates, keys and invitations",
        tags,
        params: TeamParams,
        response: none,
      },
    },
    async (request, reply) => {
      await deletion.deleteAnyTeam(sessionOf(request), parseId("team", request.params.id));
      return await reply.status(204).send(null);
    },
  );
}

function teamJson(team: ListedTeam): Static<typeof Team> {
  return {
    id: formatId("team", team.id),
    name: team.name,
    slug: team.slug,
    is_byoc: team.isByoc,
    created_at: timestamp(team.createdAt),
    deleted_at: team.deletedAt === null ? null : timestamp(team.deletedAt),
    member_count: team.memberCount,
    owner_name: team.ownerName ?? "",
    owner_email: team.ownerEmail ?? "",
    active_sandbox_count: team.activeCapsules,
    channel_count: team.channelCount,
  };
}
