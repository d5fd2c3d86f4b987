import type { IncomingMessage, ServerResponse } from "node:http";
import type { App } from "./app.ts";
import { createBareApp } from "./create-app.ts";
import type { ApiAnswers, AppDeps } from "./create-app.ts";
import { guardAnswer } from "./guard-answer.ts";
import type { InFlight } from "./in-flight.ts";
import { limitRequests } from "./limit-work.ts";
import type { PendingWork } from "./pending-work.ts";
import { addAuthenticatedRoutes } from "./route-groups.ts";
import type { AuthenticatedRoutesDeps } from "./route-groups.ts";

/** Another API of this server, beside the platform's own. */
export interface OtherApi {
  readonly answers: ApiAnswers;
  /** Adds routes for everyone; each address may call them as often as the limits of anonymous requests allow. */
  readonly addPublicRoutes: (group: App) => void | Promise<void>;
  /** Adds routes for API keys and logins. A key needs the scope that the configuration of a route names. */
  readonly addRoutes: (group: App) => void | Promise<void>;
}

/** Takes requests of another API. */
export interface OpenedApi {
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  close(): Promise<void>;
}

export interface OtherApiDeps extends AuthenticatedRoutesDeps {
  readonly app: Required<Pick<AppDeps, "logger" | "random" | "proxies">> & Pick<AppDeps, "bodyLimits">;
  readonly pending: PendingWork;
  readonly requests: InFlight;
}

/** Opens an API with the limits of the platform's own: of requests, of bodies, of work, and of the access of its callers. */
export async function openOtherApi(
  { app: options, pending, requests, ...guards }: OtherApiDeps,
  { answers, addPublicRoutes, addRoutes }: OtherApi,
): Promise<OpenedApi> {
  const app = createBareApp(options, answers);
  await app.register(async (group) => {
    group.addHook("onRequest", async (request) => guards.limits.anonymous(request.ip));
    await addPublicRoutes(group);
  });
  await addAuthenticatedRoutes(app, guards, async (group) => {
    limitRequests(group, pending);
    await addRoutes(group);
  });
  await app.ready();
  return {
    request: (request, response) => {
      requests.add(response);
      guardAnswer(request, response, options.proxies);
      app.routing(request, response);
    },
    close: async () => await app.close(),
  };
}
