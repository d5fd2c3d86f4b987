import { defined, formatId } from "@wrenn/core";
import type { ApiKeyRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { pageThrough, PageQuery, timeKey } from "../http/paging.ts";
import { LINE, refusals, Scopes } from "../http/schemas.ts";
import type { ApiKeysService } from "./api-keys.ts";
import type { Clock } from "@wrenn/core";

const ApiKey = Type.Object({
  id: Type.String(),
  team_id: Type.String(),
  name: Type.String(),
  key_prefix: Type.String(),
  created_by: Type.Optional(Type.String()),
  creator_email: Type.Optional(Type.String()),
  created_at: Type.String(),
  last_used: Type.Optional(Type.String()),
  scopes: Scopes,
  expires_at: Type.Optional(Type.String()),
  key: Type.Optional(Type.String({ description: "The key itself; shown this once" })),
});

const tags = ["api keys"];

export interface ApiKeyRoutesDeps {
  readonly apiKeys: ApiKeysService;
  readonly clock: Clock;
}

/** API keys of the team that a person acts in (docs/reference/rest-api.md#api-keys). */
export function registerApiKeyRoutes(app: App, { apiKeys, clock }: ApiKeyRoutesDeps): void {
  app.post(
    "/v1/api-keys",
    {
      schema: {
        summary: "Create an API key",
        description:
          "`read` looks, `run` uses capsules, `manage` changes templates, `ports` makes ports reachable, `egress` changes what a capsule can reach. Default: all. The key is shown this once. At most 100 in a team.",
        tags,
        body: Type.Optional(
          Type.Object({
            name: Type.Optional(Type.String({ minLength: 1, maxLength: 100, pattern: LINE })),
            scopes: Type.Optional(Scopes),
            expires_in_sec: Type.Optional(Type.Integer({ minimum: 60, maximum: 10 * 365 * 86_400 })),
            form: Type.Optional(
              Type.Union([Type.Literal("wrenn"), Type.Literal("e2b")], {
                description:
                  "How the key looks: `wrn_` and 32 digits (default), or `e2b_` and 40, which clients of E2B take. Both work everywhere.",
              }),
            ),
          }),
        ),
        response: { 201: ApiKey, ...refusals },
      },
    },
    async (request, reply) => {
      const { name = "Unnamed API Key", scopes: wanted, expires_in_sec: seconds, form } = request.body ?? {};
      const { row, key } = await apiKeys.create(sessionOf(request), {
        name,
        ...defined({
          scopes: wanted,
          form,
          expiresAt: seconds === undefined ? undefined : new Date(clock.now() + seconds * 1000),
        }),
      });
      return await reply.status(201).send({ ...keyJson(row), key });
    },
  );

  app.get(
    "/v1/api-keys",
    {
      schema: {
        summary: "List API keys, newest first",
        description: "Members see their own.",
        tags,
        querystring: PageQuery,
        response: { 200: Type.Array(ApiKey), ...refusals },
      },
    },
    async (request, reply) =>
      pageThrough(reply, request, await apiKeys.list(sessionOf(request)), {
        list: "api-keys",
        keyOf: (row) => timeKey(row.created_at, row.id),
        newestFirst: true,
      }).map((row) => ({
        ...keyJson(row),
        ...defined({ creator_email: row.creator_email ?? undefined }),
      })),
  );

  app.delete(
    "/v1/api-keys/:id",
    {
      schema: {
        summary: "Revoke an API key",
        tags,
        params: Type.Object({ id: Type.String() }),
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await apiKeys.revoke(sessionOf(request), request.params.id);
      return await reply.status(204).send(null);
    },
  );
}

function keyJson(row: ApiKeyRow): Static<typeof ApiKey> {
  return {
    id: formatId("apiKey", row.id),
    team_id: formatId("team", row.team_id),
    name: row.name,
    key_prefix: row.key_prefix,
    ...(row.created_by === null ? {} : { created_by: formatId("user", row.created_by) }),
    created_at: timestamp(row.created_at),
    ...defined({ last_used: row.last_used ? timestamp(row.last_used) : undefined }),
    scopes: row.scopes,
    ...defined({ expires_at: row.expires_at ? timestamp(row.expires_at) : undefined }),
  };
}
