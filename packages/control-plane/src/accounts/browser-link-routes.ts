import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { RateLimit, RateLimiter } from "../http/rate-limiter.ts";
import { refusals } from "../http/schemas.ts";
import type { TokenCookie } from "../http/token-cookie.ts";
import { authJson, AuthResponse, OneTimeToken } from "./account-json.ts";
import { BROWSER_LINK_SEC, CONFIRMATION_SEC } from "./browser-links.ts";
import type { BrowserLinks } from "./browser-links.ts";
import { clientDetails } from "./client-details.ts";

const tags = ["accounts"];
const ExpiresIn = Type.Integer({ description: "Seconds" });
/** Links that one person makes. */
const perPerson: RateLimit = { burst: 20, everyMs: 3000 };
/** Links that one network follows; what could be guessed has 256 bits. */
const perFollower: RateLimit = { burst: 40, everyMs: 1500 };

export interface BrowserLinkRoutesDeps {
  readonly browserLinks: BrowserLinks;
  readonly limiter: RateLimiter;
}

/** The route by which a program that is logged in makes a link into the dashboard (docs/reference/rest-api.md#accounts). */
export function registerBrowserLinks(app: App, { browserLinks, limiter }: BrowserLinkRoutesDeps): void {
  app.post(
    "/v1/auth/browser-links",
    {
      schema: {
        summary: "Make a link that logs a browser in as you",
        description:
          "The link is `/login#link={token}` at the address of the dashboard. It works once; only the newest one works. Its page asks before it logs in.",
        tags,
        response: { 201: Type.Object({ token: Type.String(), expires_in: ExpiresIn }), ...refusals },
      },
    },
    async (request, reply) => {
      const session = sessionOf(request);
      limiter.take(`browser link ${session.userId}`, perPerson);
      const token = await browserLinks.make(session);
      return await reply
        .status(201)
        .header("cache-control", "no-store")
        .send({ token, expires_in: BROWSER_LINK_SEC });
    },
  );
}

export interface FollowedLinkRoutesDeps extends BrowserLinkRoutesDeps {
  /** Refresh tokens travel in it. */
  readonly refreshCookie: TokenCookie;
}

/** What the page of the link calls; neither needs credentials. */
export function registerFollowedLinks(
  app: App,
  { browserLinks, limiter, refreshCookie }: FollowedLinkRoutesDeps,
): void {
  const onRequest = async ({ ip }: FastifyRequest): Promise<void> =>
    limiter.takeForClient("browser link", ip, perFollower);
  app.post(
    "/v1/auth/browser-links/follow",
    {
      onRequest,
      schema: {
        summary: "Use up a link, and see whose it is",
        tags,
        body: Type.Object({ token: OneTimeToken }),
        response: {
          200: Type.Object({
            name: Type.String(),
            email: Type.String(),
            confirmation: Type.String({ description: "For POST /v1/auth/browser-links/confirm, once" }),
            expires_in: ExpiresIn,
          }),
          ...refusals,
        },
      },
    },
    async (request, reply) => {
      const { person, confirmation } = await browserLinks.follow(request.body.token);
      const { name, email } = person;
      return await reply
        .header("cache-control", "no-store")
        .send({ name, email, confirmation, expires_in: CONFIRMATION_SEC });
    },
  );

  app.post(
    "/v1/auth/browser-links/confirm",
    {
      onRequest,
      schema: {
        summary: "Log in by a link that was followed",
        description: "Sets the cookie that POST /v1/auth/refresh renews the token by.",
        tags,
        body: Type.Object({ confirmation: OneTimeToken }),
        response: { 200: AuthResponse, ...refusals },
      },
    },
    async (request, reply) => {
      const opened = await browserLinks.confirm(request.body.confirmation, clientDetails(request));
      refreshCookie.set(reply, opened.refreshToken);
      return authJson(opened);
    },
  );
}
