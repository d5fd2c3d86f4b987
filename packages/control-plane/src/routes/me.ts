import { parseId } from "@wrenn/core";
import { Type } from "typebox";
import { authJson, AuthResponse, GivenPassword, Password, PersonName } from "./account-schemas.ts";
import { sessionOf } from "./app.ts";
import type { App, RouteServices } from "./app.ts";
import { refusals } from "./schemas.ts";

const tags = ["accounts"];

/** Routes of somebody who is logged in, about themselves (contract 10 §3). */
export function meRoutes(app: App, { accounts, sessions, limiter, cookie }: RouteServices): void {
  app.get(
    "/v1/me",
    {
      schema: {
        summary: "Your account",
        tags,
        response: {
          200: Type.Object({
            name: Type.String(),
            email: Type.String(),
            has_password: Type.Boolean(),
            providers: Type.Array(Type.String()),
          }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { name, email } = sessionOf(request);
      // Every account has a password: there is no other way to log in.
      return { name, email, has_password: true, providers: [] };
    },
  );

  app.patch(
    "/v1/me",
    {
      schema: {
        summary: "Change your name",
        description: "Answers a token of the same team.",
        tags,
        body: Type.Object({ name: PersonName }),
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request) => {
      const { id, teamId, userId } = sessionOf(request);
      await accounts.rename(userId, request.body.name.trim());
      sessions.forget();
      return authJson(await sessions.reissue(id, teamId));
    },
  );

  app.post(
    "/v1/me/password",
    {
      schema: {
        summary: "Change your password; ends your other sessions",
        tags,
        body: Type.Object({ current_password: GivenPassword, new_password: Password }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      limiter.take(`password ${session.userId}`, { burst: 5, everyMs: 60_000 });
      await accounts.changePassword(session, request.body.current_password, request.body.new_password);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/auth/logout",
    {
      schema: { summary: "Log out", tags, response: { 204: Type.Null(), ...refusals } },
    },
    async (request, reply) => {
      await sessions.revoke(sessionOf(request).id);
      cookie.clear(reply);
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/auth/switch-team",
    {
      schema: {
        summary: "Act in another of your teams",
        tags,
        body: Type.Object({ team_id: Type.String() }),
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request) => {
      const teamId = parseId("team", request.body.team_id);
      return authJson(await sessions.switchTeam(sessionOf(request).id, teamId));
    },
  );
}
