import type { App, SharedServices } from "@wrenn/control-plane";
import { clientDetails, OAUTH_PATHS, TOKEN_LIFETIME_SEC } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";

const FORM = "application/x-www-form-urlencoded";
const BODY_LIMIT = 16_384;
const MAX_TOKEN = 8192;

const text = (maxLength: number) => Type.Optional(Type.String({ maxLength }));
const TokenRequest = Type.Optional(
  Type.Object({ grant_type: text(100), refresh_token: text(MAX_TOKEN), client_id: text(100) }),
);
const RevokeRequest = Type.Optional(
  Type.Object({ token: text(MAX_TOKEN), token_type_hint: text(100), client_id: text(100) }),
);
/** The body of every refusal (RFC 6749 §5.2). */
const OauthError = Type.Object({ error: Type.String(), error_description: Type.String() });
const oauthErrors = { "4xx": OauthError, "5xx": OauthError } as const;

export interface OauthRoutesDeps {
  readonly services: Pick<SharedServices, "programs">;
}

/** The OAuth endpoints of a program's login: renewal (RFC 6749 §6) and revocation (RFC 7009). */
export async function registerOauth(app: App, { services: { programs } }: OauthRoutesDeps): Promise<void> {
  await app.register(async (group: App) => {
    acceptForms(group);
    group.post(
      OAUTH_PATHS.token,
      {
        bodyLimit: BODY_LIMIT,
        schema: {
          body: TokenRequest,
          response: {
            200: Type.Object({
              access_token: Type.String(),
              token_type: Type.Literal("Bearer"),
              expires_in: Type.Integer(),
              refresh_token: Type.String(),
            }),
            ...oauthErrors,
          },
        },
      },
      async (request, reply) => {
        const { grant_type: type, refresh_token: given, client_id: clientId } = request.body ?? {};
        if (required("grant_type", type) !== "refresh_token")
          throw new WrennError("oauth_grant_unsupported", {});
        const { token, refreshToken } = await programs.refresh(
          required("client_id", clientId),
          required("refresh_token", given),
          clientDetails(request),
        );
        void reply.header("cache-control", "no-store");
        return {
          access_token: token,
          token_type: "Bearer" as const,
          expires_in: TOKEN_LIFETIME_SEC,
          refresh_token: refreshToken,
        };
      },
    );

    group.post(
      OAUTH_PATHS.revoke,
      {
        bodyLimit: BODY_LIMIT,
        schema: { body: RevokeRequest, response: { 200: Type.String({ maxLength: 0 }), ...oauthErrors } },
      },
      async (request, reply) => {
        const { token, client_id: clientId } = request.body ?? {};
        await programs.revoke(
          required("client_id", clientId),
          required("token", token),
          clientDetails(request),
        );
        return await reply.status(200).send("");
      },
    );
  });
}

/** Takes forms, and nothing else. */
function acceptForms(group: App): void {
  group.removeAllContentTypeParsers();
  group.addContentTypeParser<string>(FORM, { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, fieldsOf(body));
    } catch (error) {
      done(error as Error);
    }
  });
  group.addContentTypeParser<string>("*", { parseAs: "string" }, (request: FastifyRequest, _body, done) => {
    const type = (request.headers["content-type"] ?? "(none)").slice(0, 100);
    done(new WrennError("unsupported_media_type", { type, accepted: FORM }));
  });
}

/** The fields of a form. @throws WrennError `invalid_field` for one that is given twice (RFC 6749 §3.2). */
function fieldsOf(form: string): Readonly<Record<string, string>> {
  const fields = new Map<string, string>();
  for (const [field, value] of new URLSearchParams(form)) {
    if (fields.has(field))
      throw new WrennError("invalid_field", { field: field.slice(0, 100), problem: "must be given once" });
    fields.set(field, value);
  }
  return Object.fromEntries(fields);
}

/** A parameter with an empty value counts as omitted (RFC 6749 §3.2). */
function required(field: string, value: string | undefined): string {
  if (value !== undefined && value !== "") return value;
  throw new WrennError("invalid_field", { field, problem: "is required" });
}
