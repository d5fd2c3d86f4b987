import { defined, formatId, parseId } from "@wrenn/core";
import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import { timestamp } from "../http/timestamp.ts";
import type { TokenCookie } from "../http/token-cookie.ts";
import type { Accounts } from "./accounts.ts";
import { clientDetails } from "./client-details.ts";
import type { Sessions } from "./sessions.ts";

const tags = ["accounts"];

const LoginSession = Type.Object({
  id: Type.String({ description: "`ses-` and 25 characters" }),
  created_at: Type.String({ format: "date-time" }),
  last_used_at: Type.String({
    format: "date-time",
    description: "When its token was last renewed: at most 15 minutes before its last request",
  }),
  expires_at: Type.String({ format: "date-time" }),
  address: Type.String({ description: "From which it was last renewed; empty where it is not known" }),
  program: Type.String({ description: "How that client names itself, at most 200 characters" }),
  device: Type.Optional(
    Type.String({ description: "Name of the device whose login you approved in a browser" }),
  ),
  is_current: Type.Boolean({ description: "Whether this request belongs to it" }),
});

export interface SessionRoutesDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
}

/** Routes about the places where a person is logged in (docs/reference/rest-api.md#accounts). */
export function registerSessions(app: App, { accounts, sessions, refreshCookie }: SessionRoutesDeps): void {
  app.get(
    "/v1/me/sessions",
    {
      schema: {
        summary: "Where you are logged in",
        description: "The 200 logins that were used last, the latest first.",
        tags,
        response: { 200: Type.Array(LoginSession), ...refusals },
      },
    },
    async (request) => {
      const { id: current, userId } = sessionOf(request);
      return (await sessions.list(userId)).map(({ id, userAgent, device, ...session }) => ({
        id: formatId("session", id),
        created_at: timestamp(session.createdAt),
        last_used_at: timestamp(session.lastUsedAt),
        expires_at: timestamp(session.expiresAt),
        address: session.address,
        program: userAgent,
        ...defined({ device: device ?? undefined }),
        is_current: id === current,
      }));
    },
  );

  app.delete(
    "/v1/me/sessions/:session",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "End one of your logins",
        description: "Its requests are refused at once, and its open connections end.",
        tags,
        params: Type.Object({ session: Type.String({ maxLength: 64 }) }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      const ended = parseId("session", request.params.session);
      await sessions.endOne(session.userId, ended);
      await accounts.recordLogin(session, "logout", clientDetails(request), {
        session: request.params.session,
      });
      if (ended === session.id) refreshCookie.clear(reply);
      return await reply.status(204).send(null);
    },
  );

  app.delete(
    "/v1/me/sessions",
    {
      schema: {
        summary: "End all of your logins but this one",
        tags,
        response: { 200: Type.Object({ ended: Type.Integer() }), ...refusals },
      },
    },
    async (request) => {
      const session = sessionOf(request);
      const ended = await sessions.endOthers(session);
      await accounts.recordLogin(session, "logout", clientDetails(request), { sessions: String(ended) });
      return { ended };
    },
  );
}
