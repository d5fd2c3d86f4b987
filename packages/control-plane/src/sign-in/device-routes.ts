import { defined, formatId, WrennError } from "@wrenn/core";
import { teamQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { AuthResponse, authJson } from "../accounts/account-json.ts";
import { TOKEN_LIFETIME_SEC } from "../accounts/access-tokens.ts";
import { clientDetails } from "../accounts/client-details.ts";
import type { OpenedSession, Sessions } from "../accounts/sessions.ts";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { scopes } from "../http/identity.ts";
import type { PersonPages } from "../http/person-pages.ts";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import { LINE, refusals, Scopes } from "../http/schemas.ts";
import { timestamp } from "../http/timestamp.ts";
import { DEVICE_LOGIN_SEC } from "./device-logins.ts";
import type { DeviceLogins } from "./device-logins.ts";
import { devicePage } from "./device-page.ts";

const tags = ["accounts"];
/** Logins that one network begins. */
const perBegin: RateLimit = { burst: 20, everyMs: 3000 };
/** Questions of devices in one network, each of which asks every 5 s. */
const perClaim: RateLimit = { burst: 60, everyMs: 250 };
/** User codes that one person tries, and those of one network. */
const perPerson: RateLimit = { burst: 20, everyMs: 10_000 };
const perGuess: RateLimit = { burst: 40, everyMs: 5000 };

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
const Secret = Type.String({ pattern: "^[0-9a-f]{64}$" });

const KeyRequest = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 100, pattern: LINE })),
    scopes: Type.Optional(Scopes),
    expires_in_sec: Type.Optional(Type.Integer({ minimum: 60, maximum: 10 * 365 * 86_400 })),
  },
  { description: "Ask for an API key of the team instead of a login" },
);

const BeginAnswer = Type.Object({
  device_code: Type.String({ description: "The device's secret; POST /v1/auth/token takes it" }),
  user_code: Type.String({ description: "Shown to the person" }),
  verification_uri: Type.String(),
  verification_uri_complete: Type.String({ description: "The same with the code in it" }),
  expires_in: Type.Integer({ description: "Seconds" }),
  interval: Type.Integer({ description: "Seconds between two questions of the device" }),
});

const TokenAnswer = Type.Object({
  token_type: Type.String({ description: "`Bearer`, or `ApiKey` for the header X-API-Key" }),
  access_token: Type.String(),
  expires_in: Type.Optional(Type.Integer({ description: "Seconds; an API key without an end has none" })),
  refresh_token: Type.Optional(Type.String({ description: "Works once; an API key has none" })),
  team_id: Type.String(),
  user_id: Type.Optional(Type.String()),
  email: Type.Optional(AuthResponse.properties.email),
  name: Type.String({ description: "Of the person, or of the API key" }),
  scopes: Type.Optional(Scopes),
});

const UserCode = Type.Object({
  user_code: Type.String({
    minLength: 1,
    maxLength: 32,
    description: "In either case, with or without hyphen",
  }),
});

export interface DeviceRoutesDeps {
  readonly devices: DeviceLogins;
  readonly sessions: Sessions;
  readonly limiter: RateLimiter;
  /** Where people reach the platform. */
  readonly publicUrl: string;
  readonly pages: PersonPages;
}

/** Routes of devices, and the page on which people approve them (docs/reference/rest-api.md#logins-of-devices). No cookies are involved. */
export function registerDevices(
  app: App,
  { devices, sessions, limiter, publicUrl, pages }: DeviceRoutesDeps,
): void {
  app.get(
    "/device",
    {
      schema: {
        summary: "Approve the login of a device",
        description: "A page for people.",
        tags,
        querystring: Type.Object({ user_code: Type.Optional(Type.String({ maxLength: 32 })) }),
        response: { 200: Type.String(), ...refusals },
      },
    },
    async (_request, reply) => await pages.send(reply, { simple: devicePage }),
  );

  app.post(
    "/v1/auth/device",
    {
      config: { usesNoCookies: true },
      onRequest: async (request) => limiter.takeForClient("device", request.ip, perBegin),
      schema: {
        summary: "Begin a login on a device without a browser (RFC 8628)",
        description:
          "Show the person `user_code` and `verification_uri`, then ask POST /v1/auth/token every `interval` seconds.",
        tags,
        body: Type.Optional(
          Type.Object({
            client_name: Type.Optional(
              Type.String({ minLength: 1, maxLength: 64, pattern: LINE, description: "Shown to the person" }),
            ),
            api_key: Type.Optional(KeyRequest),
          }),
        ),
        response: { 200: BeginAnswer, ...refusals },
      },
    },
    async (request) => {
      const { client_name: clientName = "Unnamed device", api_key: key } = request.body ?? {};
      const { deviceCode, userCode, intervalSec } = await devices.begin(
        clientName,
        key && {
          name: key.name ?? clientName,
          scopes: key.scopes ?? scopes,
          ...defined({ expiresInSec: key.expires_in_sec }),
        },
        clientDetails(request),
      );
      return {
        device_code: deviceCode,
        user_code: userCode,
        verification_uri: `${publicUrl}/device`,
        verification_uri_complete: `${publicUrl}/device?user_code=${userCode}`,
        expires_in: DEVICE_LOGIN_SEC,
        interval: intervalSec,
      };
    },
  );

  app.post(
    "/v1/auth/token",
    {
      config: { usesNoCookies: true },
      onRequest: async (request) => limiter.takeForClient("token", request.ip, perClaim),
      schema: {
        summary: "Get or renew the login of a device",
        description:
          "400 `authorization_pending` until a person decides, `slow_down` when asked too early, `expired_token`, `access_denied`, and `invalid_grant` for a code that is unknown or used.",
        tags,
        body: Type.Object({
          grant_type: Type.Union([Type.Literal(DEVICE_CODE), Type.Literal("refresh_token")]),
          device_code: Type.Optional(Secret),
          refresh_token: Type.Optional(Secret),
        }),
        response: { 200: TokenAnswer, ...refusals },
      },
    },
    async (request) => {
      const { grant_type: type, device_code: code, refresh_token: token } = request.body;
      if (type === "refresh_token") {
        if (token === undefined) throw missing("refresh_token");
        return loginJson(await sessions.refresh(token, clientDetails(request)));
      }
      if (code === undefined) throw missing("device_code");
      const grant = await devices.claim(code, clientDetails(request));
      if (grant.kind === "session") return loginJson(grant.opened);
      const { row, key, expiresInSec } = grant;
      return {
        token_type: "ApiKey",
        access_token: key,
        ...defined({ expires_in: expiresInSec }),
        team_id: formatId("team", row.team_id),
        name: row.name,
        scopes: row.scopes,
      };
    },
  );
}

export interface DeviceDecisionsDeps {
  readonly devices: DeviceLogins;
  readonly limiter: RateLimiter;
  readonly database: Database;
}

/** What the page asks for the person who is logged in. */
export function registerDeviceDecisions(app: App, { devices, limiter, database }: DeviceDecisionsDeps): void {
  const limitGuesses = (userId: string, ip: string): void => {
    limiter.take(`user code ${userId}`, perPerson);
    limiter.takeForClient("user code", ip, perGuess);
  };
  app.post(
    "/v1/auth/device/lookup",
    {
      schema: {
        summary: "Show the device that waits for a code",
        tags,
        body: UserCode,
        response: {
          200: Type.Object({
            client_name: Type.String(),
            address: Type.String(),
            user_agent: Type.String(),
            same_network: Type.Boolean({ description: "Whether it is in the network of this request" }),
            created_at: Type.String(),
            expires_at: Type.String(),
            team_id: Type.String({ description: "The team that it would act in" }),
            team_name: Type.String(),
            api_key: Type.Optional(KeyRequest),
          }),
          ...refusals,
        },
      },
    },
    async (request) => {
      const session = sessionOf(request);
      limitGuesses(session.userId, request.ip);
      const device = await devices.describe(request.body.user_code, clientDetails(request));
      const team = await teamQueries.findTeam(database.db, session.teamId);
      return {
        client_name: device.clientName,
        address: device.address,
        user_agent: device.userAgent,
        same_network: device.isSameNetwork,
        created_at: timestamp(device.askedAt),
        expires_at: timestamp(device.expiresAt),
        team_id: formatId("team", session.teamId),
        team_name: team?.name ?? "",
        ...defined({
          api_key: device.apiKey && {
            name: device.apiKey.name,
            scopes: [...device.apiKey.scopes],
            ...defined({ expires_in_sec: device.apiKey.expiresInSec }),
          },
        }),
      };
    },
  );

  for (const [verb, status] of [
    ["approve", "approved"],
    ["deny", "denied"],
  ] as const)
    app.post(
      `/v1/auth/device/${verb}`,
      {
        schema: {
          summary: verb === "approve" ? "Let a device act for you in this team" : "Refuse a device",
          tags,
          body: UserCode,
          response: { 204: Type.Null(), ...refusals },
        },
      },
      async (request, reply) => {
        const session = sessionOf(request);
        limitGuesses(session.userId, request.ip);
        await devices.decide(session, request.body.user_code, status);
        return await reply.status(204).send(null);
      },
    );
}

function loginJson(opened: OpenedSession): Static<typeof TokenAnswer> {
  const { token, ...person } = authJson(opened);
  return {
    token_type: "Bearer",
    access_token: token,
    expires_in: TOKEN_LIFETIME_SEC,
    refresh_token: opened.refreshToken,
    ...person,
  };
}

function missing(field: string): WrennError {
  return new WrennError("invalid_field", { field, problem: "is required" });
}
