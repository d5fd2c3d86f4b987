import { defined, formatId, parseId } from "@wrenn/core";
import { deletionQueries } from "@wrenn/database";
import { Type } from "typebox";
import { authJson, AuthResponse, GivenPassword, Password, PersonName } from "./account-json.ts";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import type { Accounts } from "./accounts.ts";
import { clientDetails } from "./client-details.ts";
import type { Sessions } from "./sessions.ts";
import type { RateLimiter } from "../http/rate-limiter.ts";
import type { TokenCookie } from "../http/token-cookie.ts";
import type { Database, LiveSession } from "@wrenn/database";

const SEARCH_LIMIT = 10;
const tags = ["accounts"];

/** How an account can be logged in to. */
interface LoginMethods {
  readonly hasPassword: boolean;
  /** At which providers. */
  readonly identities: readonly { readonly provider: string }[];
}

export interface MeRoutesDeps {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly limiter: RateLimiter;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
  readonly connections: { loginMethods(userId: string): Promise<LoginMethods> };
  readonly deletion: { deleteAccount(session: LiveSession, confirmation: string): Promise<void> };
  readonly database: Database;
}

/** Routes about the user who is logged in (docs/reference/rest-api.md#accounts). */
export function registerMeRoutes(
  app: App,
  { accounts, sessions, limiter, refreshCookie, connections, deletion, database }: MeRoutesDeps,
): void {
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
      const { name, email, userId } = sessionOf(request);
      const { hasPassword, identities } = await connections.loginMethods(userId);
      return {
        name,
        email,
        has_password: hasPassword,
        providers: identities.map(({ provider }) => provider),
      };
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
      sessions.forget({ kind: "user", id: userId });
      return authJson(await sessions.reissue(id, teamId));
    },
  );

  app.delete(
    "/v1/me",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "Delete your account with the teams that only you belong to",
        tags,
        body: Type.Object({
          confirmation: Type.String({ maxLength: 254, description: "Your email address" }),
        }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await deletion.deleteAccount(sessionOf(request), request.body.confirmation);
      refreshCookie.clear(reply);
      return await reply.status(204).send(null);
    },
  );

  app.get(
    "/v1/users/search",
    {
      schema: {
        summary: "People of your teams whose email address begins like this",
        description: "At most 10, by address. Nobody finds out who else has an account.",
        tags,
        querystring: Type.Object({
          email: Type.String({
            minLength: 3,
            maxLength: 254,
            pattern: String.raw`^[^\p{Cc}\p{Cs}]*@[^\p{Cc}\p{Cs}]*$`,
            description: "Contains @",
          }),
        }),
        response: {
          200: Type.Array(Type.Object({ user_id: Type.String(), email: Type.String() })),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { userId } = sessionOf(request);
      const prefix = request.query.email.trim().toLowerCase();
      const found = await deletionQueries.searchAcquaintances(database.db, userId, prefix, SEARCH_LIMIT);
      return found.map(({ id, email }) => ({ user_id: formatId("user", id), email }));
    },
  );

  app.post(
    "/v1/me/password",
    {
      schema: {
        summary: "Change your password, or add one; ends your other sessions",
        description:
          "An account with a password sends current_password; one that signs in by a provider only, confirm_password.",
        tags,
        body: Type.Object({
          current_password: Type.Optional(GivenPassword),
          new_password: Password,
          confirm_password: Type.Optional(GivenPassword),
        }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      limiter.take(`password ${session.userId}`, { burst: 5, everyMs: 60_000 });
      const { current_password: current, new_password: next, confirm_password: confirmation } = request.body;
      await accounts.changePassword(session, {
        next,
        ...defined({ current, confirmation }),
      });
      return await reply.status(204).send(null);
    },
  );

  app.post(
    "/v1/auth/logout",
    {
      config: { endsOwnAccess: true },
      schema: { summary: "Log out", tags, response: { 204: Type.Null(), ...refusals } },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      await sessions.revoke(session.id);
      await accounts.recordLogin(session, "logout", clientDetails(request));
      refreshCookie.clear(reply);
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
