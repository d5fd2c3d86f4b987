import { formatId, parseId, WrennError } from "@wrenn/core";
import type { LiveSession, Member, TeamOfUser } from "@wrenn/database";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Static } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { refusals } from "../http/schemas.ts";
import type { TeamsService } from "./teams.ts";
import type { DeletionService } from "./deletion.ts";

const TeamName = Type.String({
  pattern: "^(?=.*[^ ])[A-Za-z0-9 _@'-]{1,128}$",
  description: "1 to 128 of letters, digits, space and _@'-",
});

const Team = Type.Object({
  id: Type.String(),
  name: Type.String(),
  slug: Type.String(),
  is_byoc: Type.Boolean({ description: "Always false: hosts belong to the platform" }),
  created_at: Type.String(),
  role: Type.String({ description: "Yours: owner, admin or member" }),
});

export const MemberJson = Type.Object({
  user_id: Type.String(),
  name: Type.String(),
  email: Type.String(),
  role: Type.String(),
  joined_at: Type.String(),
});

export const TeamParams = Type.Object({ id: Type.String() });
const MemberParams = Type.Object({ id: Type.String(), user: Type.String() });
const tags = ["teams"];
const none = { 204: Type.Null(), ...refusals };

export interface TeamRoutesDeps {
  readonly teams: TeamsService;
  readonly deletion: DeletionService;
}

/** Teams (docs/reference/rest-api.md#teams). Routes of one team need a token that acts in it. */
export function registerTeamRoutes(app: App, { teams, deletion }: TeamRoutesDeps): void {
  app.get(
    "/v1/teams",
    {
      schema: {
        summary: "Your teams",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(Team), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await teams.list(sessionOf(request).userId), {
        list: "teams",
        keyOf: (team) => timeKey(team.joinedAt, team.id),
        newestFirst: false,
      }).map(teamJson),
  );

  app.post(
    "/v1/teams",
    {
      schema: {
        summary: "Create a team that you own",
        tags,
        body: Type.Object({ name: TeamName }),
        response: { 201: Team, ...refusals },
      },
    },
    async (request, reply) =>
      await reply
        .status(201)
        .send(teamJson(await teams.create(sessionOf(request), request.body.name.trim()))),
  );

  app.get(
    "/v1/teams/:id",
    {
      schema: {
        summary: "A team and its members",
        tags,
        params: TeamParams,
        response: { 200: Type.Object({ team: Team, members: Type.Array(MemberJson) }), ...refusals },
      },
    },
    async (request) => {
      const { team, members } = await teams.get(sessionInTeam(request, request.params.id));
      return { team: teamJson(team), members: members.map(memberJson) };
    },
  );

  app.patch(
    "/v1/teams/:id",
    {
      schema: {
        summary: "Rename a team; owners and admins",
        tags,
        params: TeamParams,
        body: Type.Object({ name: TeamName }),
        response: none,
      },
    },
    async (request, reply) => {
      await teams.rename(sessionInTeam(request, request.params.id), request.body.name.trim());
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    "/v1/teams/:id",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "Delete a team with its capsules, templates, keys and invitations; its owner",
        description: "Logins that act in it end.",
        tags,
        params: TeamParams,
        response: none,
      },
    },
    async (request, reply) => {
      await deletion.deleteTeam(sessionInTeam(request, request.params.id));
      return await reply.status(204).send(null);
    },
  );

  app.get(
    "/v1/teams/:id/members",
    {
      schema: {
        summary: "Members of a team, as they joined",
        tags,
        params: TeamParams,
        querystring: PageQuery,
        response: { 200: Type.Array(MemberJson), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await teams.members(sessionInTeam(request, request.params.id)), {
        list: "members",
        keyOf: (member) => timeKey(member.joinedAt, member.userId),
        newestFirst: false,
      }).map(memberJson),
  );

  app.patch(
    "/v1/teams/:id/members/:user",
    {
      schema: {
        summary: "Change the role of a member; owners and admins",
        tags,
        params: MemberParams,
        body: Type.Object({ role: Type.Union([Type.Literal("admin"), Type.Literal("member")]) }),
        response: none,
      },
    },
    async (request, reply) => {
      const { id, user } = request.params;
      await teams.changeRole(sessionInTeam(request, id), parseId("user", user), request.body.role);
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    "/v1/teams/:id/members/:user",
    {
      config: { endsOwnAccess: true },
      schema: { summary: "Remove a member; owners and admins", tags, params: MemberParams, response: none },
    },
    async (request, reply) => {
      const { id, user } = request.params;
      await teams.remove(sessionInTeam(request, id), parseId("user", user));
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/teams/:id/leave",
    {
      config: { endsOwnAccess: true },
      schema: { summary: "Leave a team that you do not own", tags, params: TeamParams, response: none },
    },
    async (request, reply) => {
      await teams.leave(sessionInTeam(request, request.params.id));
      return await reply.status(204).send(null);
    },
  );
}

/** The login of a request about a team that it acts in. @throws WrennError `session_required`, `other_team`. */
export function sessionInTeam(request: FastifyRequest, teamId: string): LiveSession {
  const session = sessionOf(request);
  if (parseId("team", teamId) !== session.teamId) throw new WrennError("other_team", {});
  return session;
}

function teamJson(team: TeamOfUser): Static<typeof Team> {
  return {
    id: formatId("team", team.id),
    name: team.name,
    slug: team.slug,
    is_byoc: false,
    created_at: timestamp(team.createdAt),
    role: team.role,
  };
}

export function memberJson(member: Member): Static<typeof MemberJson> {
  return {
    user_id: formatId("user", member.userId),
    name: member.name,
    email: member.email,
    role: member.role,
    joined_at: timestamp(member.joinedAt),
  };
}
