import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import type { SignIn } from "./sign-in.ts";
import type { Connections } from "./connections.ts";
import type { IdentityProviders } from "./identity-providers.ts";
import type { TokenCookie } from "../http/token-cookie.ts";
import type { RateLimiter } from "../http/rate-limiter.ts";

const tags = ["accounts"];
const Provider = Type.Object({ provider: Type.String({ maxLength: 64 }) });

export interface ConnectionRoutesDeps {
  readonly signIn: SignIn;
  readonly connections: Connections;
  readonly providers: IdentityProviders;
  /** Binds an attempt to sign in by a provider to a browser. */
  readonly attemptCookie: TokenCookie;
  readonly limiter: RateLimiter;
  /** Aborts when the control plane closes: answers without an end of their own end then. */
  readonly closing: AbortSignal;
}

/** Routes about the accounts at providers that the user logs in by (docs/reference/rest-api.md#accounts). */
export function registerConnections(
  app: App,
  { signIn, connections, providers, attemptCookie, limiter, closing }: ConnectionRoutesDeps,
): void {
  app.get(
    "/v1/me/providers",
    {
      schema: {
        summary: "Providers, and which of them are connected to your account",
        tags,
        response: {
          200: Type.Array(
            Type.Object({
              name: Type.String(),
              title: Type.String(),
              connected: Type.Boolean(),
              email: Type.Optional(
                Type.String({ description: "As the provider had verified it when it was connected" }),
              ),
              connected_at: Type.Optional(Type.String({ format: "date-time" })),
            }),
          ),
          ...refusals,
        },
      },
    },
    async (request) => {
      const { identities } = await connections.loginMethods(sessionOf(request).userId);
      return providers.all().map(({ name, title }) => {
        const identity = identities.find(({ provider }) => provider === name);
        if (!identity) return { name, title, connected: false };
        const email = identity.email === "" ? {} : { email: identity.email };
        return { name, title, connected: true, ...email, connected_at: identity.created_at.toISOString() };
      });
    },
  );

  app.get(
    "/v1/me/providers/:provider/connect",
    {
      schema: {
        summary: "Begin to connect a provider",
        description: "Sets a cookie and answers where the browser is to go, within ten minutes.",
        tags,
        params: Provider,
        response: { 200: Type.Object({ auth_url: Type.String() }), ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      providers.get(request.params.provider);
      limiter.take(`connect ${session.userId}`, { burst: 10, everyMs: 30_000 });
      const { url, secret } = await signIn.begin(request.params.provider, { connectTo: session }, closing);
      attemptCookie.set(reply, secret);
      return await reply.header("cache-control", "no-store").send({ auth_url: url });
    },
  );

  app.delete(
    "/v1/me/providers/:provider",
    {
      schema: {
        summary: "Disconnect a provider",
        description: "Not the last way to log in.",
        tags,
        params: Provider,
        response: { 204: Type.Null(), ...refusals },
      },
    },
    async (request, reply) => {
      await connections.disconnect(sessionOf(request), request.params.provider);
      return await reply.status(204).send(null);
    },
  );
}
