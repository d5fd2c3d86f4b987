import { Type } from "typebox";
import type { Clock } from "@wrenn/core";
import type { App } from "./app.ts";
import { refusals } from "./schemas.ts";
import { timestamp } from "./timestamp.ts";

const Info = Type.Object({
  name: Type.Literal("wrenn"),
  version: Type.String(),
  api_versions: Type.Array(Type.String()),
  time: Type.String({ description: "The server's clock, RFC 3339, UTC" }),
  features: Type.Array(Type.String(), {
    description: "What this server can do; a client that does not know one ignores it",
  }),
  limits: Type.Object({
    json_body_bytes: Type.Integer({ description: "Longest body of JSON" }),
    message_bytes: Type.Integer({ description: "Longest message of a WebSocket" }),
    exec_output_bytes: Type.Integer({ description: "Kept of each stream of a foreground command" }),
    exec_timeout_sec: Type.Integer({ description: "Longest timeout of a command" }),
    access_token_sec: Type.Integer({ description: "How long an access token works" }),
  }),
  ports: Type.Object(
    {
      scheme: Type.Union([Type.Literal("http"), Type.Literal("https")]),
      domain: Type.String(),
      port: Type.Integer(),
    },
    {
      description:
        "Where ports of capsules are: `{scheme}://{port of the capsule}-{capsule id}.{domain}:{port}/`",
    },
  ),
  sign_in: Type.Object({
    password: Type.Boolean(),
    device: Type.Boolean({ description: "POST /v1/auth/device" }),
    sign_up: Type.Union([Type.Literal("open"), Type.Literal("invite"), Type.Literal("closed")]),
    providers: Type.Array(Type.Object({ name: Type.String(), title: Type.String() })),
  }),
});

/** What clients may know before they have credentials. */
export interface PublicInfo {
  readonly version: string;
  readonly features: () => Promise<readonly string[]>;
  readonly limits: {
    readonly jsonBodyBytes: number;
    readonly messageBytes: number;
    readonly execOutputBytes: number;
    readonly execTimeoutSec: number;
    readonly accessTokenSec: number;
  };
  /** Where ports of capsules are reached. */
  readonly ports: () => { readonly scheme: "http" | "https"; readonly domain: string; readonly port: number };
  /** Who may make an account. */
  readonly signUp: () => Promise<"open" | "invite" | "closed">;
  /** Services whose accounts can be used to log in. */
  readonly providers: readonly { readonly name: string; readonly title: string }[];
}

export interface InfoRoutesDeps {
  readonly info: PublicInfo;
  readonly clock: Clock;
}

/** What a client asks first (docs/reference/rest-api.md#service). Nothing here says what the server runs on or who uses it. */
export function registerInfo(app: App, { info, clock }: InfoRoutesDeps): void {
  app.get(
    "/v1/info",
    {
      schema: {
        summary: "Version, features, limits and ways to sign in",
        description: "Needs no credentials.",
        tags: ["service"],
        response: { 200: Info, ...refusals },
      },
    },
    async () => ({
      name: "wrenn" as const,
      version: info.version,
      api_versions: ["v1"],
      time: timestamp(new Date(clock.now())),
      features: [...(await info.features())],
      limits: {
        json_body_bytes: info.limits.jsonBodyBytes,
        message_bytes: info.limits.messageBytes,
        exec_output_bytes: info.limits.execOutputBytes,
        exec_timeout_sec: info.limits.execTimeoutSec,
        access_token_sec: info.limits.accessTokenSec,
      },
      ports: info.ports(),
      sign_in: {
        password: true,
        device: true,
        sign_up: await info.signUp(),
        providers: info.providers.map(({ name, title }) => ({ name, title })),
      },
    }),
  );
}
