import { formatId } from "@wrenn/core";
import type { InvitationRow, LiveSession } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { emailAddress } from "../accounts/email-address.ts";
import { Email } from "../accounts/account-json.ts";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import type { ListOrder } from "../http/paging.ts";
import { refusals } from "../http/schemas.ts";
import { sessionInTeam, TeamParams } from "./team-routes.ts";
import type { InvitationsService } from "./invitations.ts";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";

const Role = Type.Union([Type.Literal("admin"), Type.Literal("member")]);
const InvitationId = Type.String({ format: "uuid" });
const Invitation = Type.Object({
  id: Type.String(),
  team_id: Type.String(),
  team_name: Type.String(),
  email: Type.String(),
  role: Role,
  created_at: Type.String(),
  expires_at: Type.String(),
});

const MINUTE = 60_000;
const perPerson: RateLimit = { burst: 20, everyMs: MINUTE };
const perTeam: RateLimit = { burst: 60, everyMs: MINUTE };
const perRecipient: RateLimit = { burst: 5, everyMs: 30 * MINUTE };
const tags = ["teams"];
const none = { 204: Type.Null(), ...refusals };

export interface InvitationRoutesDeps {
  readonly invitations: InvitationsService;
  readonly limiter: RateLimiter;
}

/** Invitations: sent by owners and admins of a team, answered by the person they are addressed to. */
export function registerInvitationRoutes(app: App, { invitations, limiter }: InvitationRoutesDeps): void {
  // What a mail costs is its reader's time: neither a person, nor a team, nor all of them together write to one address often.
  const limit = ({ userId, teamId }: LiveSession, email: string): void => {
    limiter.take(`invite ${userId}`, perPerson);
    limiter.take(`invite of ${teamId}`, perTeam);
    limiter.take(`invite to ${email}`, perRecipient);
  };
  app.post(
    "/v1/teams/:id/invitations",
    {
      schema: {
        summary: "Invite somebody by email",
        description: "The same answer whether or not the address has an account. Works a week.",
        tags,
        params: TeamParams,
        body: Type.Object({ email: Email, role: Type.Optional(Role) }),
        response: none,
      },
    },
    async (request, reply) => {
      const session = sessionInTeam(request, request.params.id);
      const { role = "member" } = request.body;
      const email = emailAddress(request.body.email);
      limit(session, email);
      await invitations.invite(session, email, role);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/teams/:id/members",
    {
      schema: {
        summary: "Invite somebody as a member",
        description:
          "Like POST /v1/teams/{id}/invitations: whoever it is becomes a member by accepting, so that 202 tells of an invitation.",
        tags,
        params: TeamParams,
        body: Type.Object({ email: Email }),
        response: {
          202: Type.Object({ email: Type.String(), role: Role, status: Type.Literal("invited") }),
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const session = sessionInTeam(request, request.params.id);
      const email = emailAddress(request.body.email);
      limit(session, email);
      await invitations.invite(session, email, "member");
      return await reply.status(202).send({ email, role: "member", status: "invited" });
    },
  );

  app.get(
    "/v1/teams/:id/invitations",
    {
      schema: {
        summary: "Open invitations of a team",
        tags,
        params: TeamParams,
        querystring: PageQuery,
        response: { 200: Type.Array(Invitation), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(
        reply,
        request,
        await invitations.listForTeam(sessionInTeam(request, request.params.id)),
        newestInvitation,
      ).map(invitationJson),
  );

  app.delete(
    "/v1/teams/:id/invitations/:invitation",
    {
      schema: {
        summary: "Withdraw an invitation",
        tags,
        params: Type.Object({ id: Type.String(), invitation: InvitationId }),
        response: none,
      },
    },
    async (request, reply) => {
      const { id, invitation } = request.params;
      await invitations.withdraw(sessionInTeam(request, id), invitation);
      return await reply.status(204).send(null);
    },
  );

  app.get(
    "/v1/invitations",
    {
      schema: {
        summary: "Invitations to you",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(Invitation), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await invitations.listForPerson(sessionOf(request)), newestInvitation).map(
        invitationJson,
      ),
  );

  for (const verb of ["accept", "decline"] as const) {
    app.post(
      `/v1/invitations/:id/${verb}`,
      {
        schema: {
          summary: `${verb === "accept" ? "Accept" : "Decline"} an invitation`,
          tags,
          params: Type.Object({ id: InvitationId }),
          response: none,
        },
      },
      async (request, reply) => {
        await invitations[verb](sessionOf(request), request.params.id);
        return await reply.status(204).send(null);
      },
    );
  }
}

const newestInvitation: ListOrder<InvitationRow> = {
  list: "invitations",
  keyOf: (row) => timeKey(row.createdAt, row.id),
  newestFirst: true,
};

function invitationJson(row: InvitationRow): Static<typeof Invitation> {
  return {
    id: row.id,
    team_id: formatId("team", row.teamId),
    team_name: row.teamName,
    email: row.email,
    role: row.role,
    created_at: timestamp(row.createdAt),
    expires_at: timestamp(row.expiresAt),
  };
}
