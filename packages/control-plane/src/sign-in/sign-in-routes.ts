import { defined } from "@wrenn/core";
import { Type } from "typebox";
import { clientDetails } from "../accounts/client-details.ts";
import type { PersonPages } from "../http/person-pages.ts";
import type { RateLimit } from "../http/rate-limiter.ts";
import type { RateLimiter } from "../http/rate-limiter.ts";
import type { TokenCookie } from "../http/token-cookie.ts";
import type { App } from "../http/app.ts";
import type { IdentityProviders } from "./identity-providers.ts";
import type { SignIn } from "./sign-in.ts";
import { resultPage } from "./sign-in-result-page.ts";
import { refusals } from "../http/schemas.ts";

const tags = ["accounts"];
/** From one address of the network: a household or an office. */
const perAddress: RateLimit = { burst: 30, everyMs: 2000 };
/** What providers send back is bounded by the size of a request's head as well. */
const MAX_QUERY = 8192;
const Given = Type.Optional(Type.String({ maxLength: MAX_QUERY }));
const Provider = Type.Object({ provider: Type.String({ maxLength: 64 }) });
const redirects = { 302: Type.Null({ description: "The way on" }), ...refusals };
const browserHeaders = { "cache-control": "no-store", "referrer-policy": "no-referrer" };

export interface SignInRoutesDeps {
  readonly signIn: SignIn;
  readonly providers: IdentityProviders;
  /** Binds an attempt to sign in by a provider to a browser. */
  readonly attemptCookie: TokenCookie;
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
  readonly limiter: RateLimiter;
  /** Aborts when the control plane closes. */
  readonly closing: AbortSignal;
  readonly pages: PersonPages;
}

/** Routes that browsers take to a provider and back (docs/reference/rest-api.md#accounts); no scripts, but redirects and cookies. */
export function registerSignIn(
  app: App,
  { signIn, providers, attemptCookie, refreshCookie, limiter, closing, pages }: SignInRoutesDeps,
): void {
  app.get(
    "/v1/auth/providers",
    {
      schema: {
        summary: "Services whose accounts can be used to log in here",
        tags,
        response: {
          200: Type.Array(Type.Object({ name: Type.String(), title: Type.String() })),
          ...refusals,
        },
      },
    },
    async () => providers.all().map(({ name, title }) => ({ name, title })),
  );

  app.get(
    "/auth/:provider/callback",
    {
      schema: {
        summary: "What became of a log-in by a provider",
        description: "A page for people.",
        tags,
        params: Provider,
        querystring: Type.Object({ error: Given, new_signup: Given }),
        response: { 200: Type.String(), ...refusals },
      },
    },
    async (request, reply) => {
      const provider = providers.get(request.params.provider);
      return await pages.send(reply, { simple: resultPage(provider, request.query.error) });
    },
  );

  // The code of the contract and its documentation disagree about the path.
  for (const prefix of ["/auth/oauth", "/v1/auth/oauth"]) {
    app.get(
      `${prefix}/:provider`,
      {
        onRequest: async (request) => limiter.takeForClient("sign-in", request.ip, perAddress),
        schema: {
          summary: "Go to a provider to log in or to sign up",
          tags,
          params: Provider,
          querystring: Type.Object({
            intent: Type.Optional(Type.String({ description: "`signup`; everything else is a log-in" })),
          }),
          response: redirects,
        },
      },
      async (request, reply) => {
        const { provider } = request.params;
        const purpose = request.query.intent === "signup" ? "signup" : "login";
        void reply.headers(browserHeaders);
        try {
          const { url, secret } = await signIn.begin(provider, purpose, closing);
          attemptCookie.set(reply, secret);
          return reply.redirect(url, 302);
        } catch (error) {
          return reply.redirect(signIn.unavailable(provider, error), 302);
        }
      },
    );

    app.get(
      `${prefix}/:provider/callback`,
      {
        onRequest: async (request) => limiter.takeForClient("sign-in", request.ip, perAddress),
        schema: {
          summary: "Come back from a provider",
          description:
            "Leads to /auth/{provider}/callback or, after a connect, to /dashboard/settings. A log-in sets the cookie that POST /v1/auth/refresh turns into a token.",
          tags,
          params: Provider,
          querystring: Type.Object({ code: Given, state: Given, error: Given }),
          response: redirects,
        },
      },
      async (request, reply) => {
        const { provider } = request.params;
        const { code, state, error } = request.query;
        const { location, session } = await signIn.finish(
          provider,
          defined({ code, state, error }),
          attemptCookie.read(request.headers.cookie),
          clientDetails(request),
          closing,
        );
        if (session) refreshCookie.set(reply, session.refreshToken);
        return reply.headers(browserHeaders).redirect(location, 302);
      },
    );
  }
}
