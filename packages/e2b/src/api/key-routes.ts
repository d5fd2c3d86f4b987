import { LINE, maskOfApiKey, sessionOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { formatId, isUuid, WrennError } from "@wrenn/core";
import type { ApiKeyRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "./error-body.ts";

const KeyItem = Type.Object({
  id: Type.String(),
  name: Type.String(),
  mask: Type.Object({
    prefix: Type.String(),
    valueLength: Type.Integer({ description: "Characters behind the prefix" }),
    maskedValuePrefix: Type.String(),
    maskedValueSuffix: Type.String({ description: "Empty: the end of a key is not stored" }),
  }),
  createdAt: Type.String(),
  createdBy: Type.Union([Type.Object({ id: Type.String(), email: Type.String() }), Type.Null()]),
  lastUsed: Type.Union([Type.String(), Type.Null()]),
});
const NameFields = Type.Object({ name: Type.String({ minLength: 1, maxLength: 100, pattern: LINE }) });
const KeyParams = Type.Object({ apiKeyID: Type.String() });

export interface KeyRoutesDeps {
  readonly services: Pick<SharedServices, "apiKeys">;
}

/** API keys of the team, for people who are logged in: as with the platform's own routes, a key makes no keys. */
export function registerKeys(app: App, { services: { apiKeys } }: KeyRoutesDeps): void {
  app.get("/api-keys", { schema: { response: { 200: Type.Array(KeyItem), ...errors } } }, async (request) =>
    (await apiKeys.list(sessionOf(request))).map((row) => keyItem(row, row.creator_email)),
  );

  app.post(
    "/api-keys",
    {
      config: { scope: "manage" },
      schema: {
        body: NameFields,
        response: { 201: Type.Object({ ...KeyItem.properties, key: Type.String() }), ...errors },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      const { row, key } = await apiKeys.create(session, { name: request.body.name, form: "e2b" });
      return await reply.status(201).send({ ...keyItem(row, session.email), key });
    },
  );

  app.patch(
    "/api-keys/:apiKeyID",
    {
      config: { scope: "manage" },
      schema: { params: KeyParams, body: NameFields, response: { 200: Type.Object({}), ...errors } },
    },
    async (request) => {
      const session = sessionOf(request);
      await apiKeys.rename(session, publicIdOf(request.params.apiKeyID), request.body.name);
      return {};
    },
  );

  app.delete(
    "/api-keys/:apiKeyID",
    {
      config: { scope: "manage" },
      schema: { params: KeyParams, response: { 204: Type.Null(), ...errors } },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      const wasThere = await apiKeys.revoke(session, publicIdOf(request.params.apiKeyID));
      if (!wasThere) throw new WrennError("api_key_not_found", {});
      return await reply.status(204).send(null);
    },
  );
}

/** @throws WrennError `api_key_not_found` for a text that is no id. */
function publicIdOf(uuid: string): string {
  if (!isUuid(uuid)) throw new WrennError("api_key_not_found", {});
  return formatId("apiKey", uuid);
}

function keyItem(row: ApiKeyRow, email: string | null): Static<typeof KeyItem> {
  const { prefix, length, beginning } = maskOfApiKey(row.key_prefix);
  return {
    id: row.id,
    name: row.name,
    mask: { prefix, valueLength: length, maskedValuePrefix: beginning, maskedValueSuffix: "" },
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by === null || email === null ? null : { id: row.created_by, email },
    lastUsed: row.last_used?.toISOString() ?? null,
  };
}
