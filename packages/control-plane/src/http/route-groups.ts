import type { FastifyRequest } from "fastify";
import { administratorGrant, grantOf } from "./access-grants.ts";
import type { AccessWatch } from "./access-watch.ts";
import { watchRequest } from "./watched-requests.ts";
import { runWithIdentity } from "./current-identity.ts";
import { identityOf } from "./app.ts";
import type { App } from "./app.ts";
import { requireScope } from "./identity.ts";
import type { Identity, RequestAuthenticator, Scope } from "./identity.ts";
import type { RequireOwnPage } from "./own-pages.ts";
import type { RequestLimits } from "./request-limits.ts";

/** Reading routes that take their arguments in a body. */
const READING = /^\/v1\/capsules\/:id\/files\/(read|stream\/read|list|stat|exists)$/;
/** What outlives capsules, or is of the whole team. */
const MANAGING = /^\/v1\/(snapshots|templates|builds|teams|api-keys|channels|invitations)\b/;

/** What lets others in. */
const PORTS = /^\/v1\/capsules\/:id\/ports\b/;
/** What lets a capsule out. */
const EGRESS = /^\/v1\/capsules\/:id\/network$/;

/** Bytes; what callers without credentials send is short. */
const PUBLIC_BODY_LIMIT = 65_536;

/** How long the identity of a request counts while its body arrives, in milliseconds. */
const RECENT_MS = 1000;

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a key needs for the route, where its method and path do not say it. */
    scope?: Scope;
  }
}

/** Adds routes to a group; the group's hooks run before each of them. */
type AddRoutes = (group: App) => void | Promise<void>;

export interface PublicRoutesDeps {
  readonly limits: RequestLimits;
  readonly requireOwnPage: RequireOwnPage;
}

/**
 * Routes that need no credentials; each address may call them as often as the limits allow. Some take cookies, which browsers add
 * by themselves, or set them, so pages of other origins may read only.
 */
export async function addPublicRoutes(
  app: App,
  { limits, requireOwnPage }: PublicRoutesDeps,
  addRoutes: AddRoutes,
): Promise<void> {
  await app.register(async (group) => {
    group.addHook("onRequest", async (request) => {
      if (request.routeOptions.config.isPage === true) limits.page(request.ip);
      else limits.anonymous(request.ip);
      requireOwnPage(request);
    });
    group.addHook("onRoute", (route) => {
      route.bodyLimit ??= PUBLIC_BODY_LIMIT;
    });
    await addRoutes(group);
  });
}

export interface AuthenticatedRoutesDeps {
  readonly authenticator: RequestAuthenticator;
  readonly access: AccessWatch;
  readonly limits: RequestLimits;
}

/** Routes for API keys and logins: `request.identity` is set before any of them runs. A request ends with the access of its caller. */
export async function addAuthenticatedRoutes(
  app: App,
  { authenticator, access, limits }: AuthenticatedRoutesDeps,
  addRoutes: AddRoutes,
): Promise<void> {
  await app.register(async (group) => {
    group.addHook("onRequest", async (request, reply) => {
      request.identity = await limits.admit(request.raw);
      const scope = requestScope(request);
      requireScope(request.identity, scope);
      if (request.routeOptions.config.endsOwnAccess !== true)
        watchRequest(access, grantOf(request.identity, scope), reply);
    });
    // A client that holds back the body of its request holds no right with it: who it is, and what it may do, is read again.
    group.addHook("preHandler", async (request, reply) => {
      if (reply.elapsedTime < RECENT_MS) return;
      request.identity = await authenticator.authenticate(request.headers);
      requireScope(request.identity, requestScope(request));
    });
    group.addHook("onRequest", (request, _reply, done) => runWithIdentity(identityOf(request), done));
    group.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, security: [{ apiKey: [] }, { session: [] }] };
    });
    await addRoutes(group);
  });
}

export interface AdminRoutesDeps {
  readonly access: AccessWatch;
  readonly actForPlatform: (identity: Identity) => Promise<Identity>;
}

/**
 * Routes for administrators of the platform, inside the authenticated routes.
 *
 * @param actForPlatform - the identity of an administrator who acts for the platform; throws for everyone else.
 */
export async function addAdminRoutes(
  app: App,
  { access, actForPlatform }: AdminRoutesDeps,
  addRoutes: AddRoutes,
): Promise<void> {
  await app.register(async (group) => {
    group.addHook("onRequest", async (request, reply) => {
      request.identity = await actForPlatform(identityOf(request));
      if (request.routeOptions.config.endsOwnAccess !== true)
        watchRequest(access, administratorGrant(request.identity), reply);
    });
    group.addHook("preHandler", async (request, reply) => {
      if (reply.elapsedTime >= RECENT_MS) request.identity = await actForPlatform(identityOf(request));
    });
    group.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, tags: ["admin"], security: [{ session: [] }] };
    });
    await addRoutes(group);
  });
}

/** Routes that take the body as it arrives, of any size and type. */
export async function addRawBodyRoutes(app: App, addRoutes: AddRoutes): Promise<void> {
  await app.register(async (group) => {
    group.removeAllContentTypeParsers();
    group.addContentTypeParser("*", (_request, _body, done) => done(null));
    group.addHook("onRoute", (route) => {
      route.config = { ...route.config, streamsBody: true };
    });
    await addRoutes(group);
  });
}

/** Scope that a key needs for a request: reading needs the least, whatever lasts beyond a capsule the most. */
function requestScope({ method, routeOptions }: FastifyRequest): Scope {
  if (routeOptions.config.scope !== undefined) return routeOptions.config.scope;
  const url = routeOptions.url ?? "";
  if (method === "GET" || method === "HEAD" || READING.test(url)) return "read";
  if (PORTS.test(url)) return "ports";
  if (EGRESS.test(url)) return "egress";
  return MANAGING.test(url) ? "manage" : "run";
}
