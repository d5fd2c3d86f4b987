import type { App } from "../http/app.ts";
import { registerApiKeyRoutes } from "./api-key-routes.ts";
import type { ApiKeyRoutesDeps } from "./api-key-routes.ts";
import { registerBrowserLinks } from "./browser-link-routes.ts";
import type { BrowserLinkRoutesDeps } from "./browser-link-routes.ts";
import { registerMeRoutes } from "./me-routes.ts";
import type { MeRoutesDeps } from "./me-routes.ts";
import { registerSessions } from "./session-routes.ts";

/** Routes of people who are logged in, about themselves and about the API keys of their team. */
export function registerAccounts(
  app: App,
  deps: MeRoutesDeps & ApiKeyRoutesDeps & BrowserLinkRoutesDeps,
): void {
  registerMeRoutes(app, deps);
  registerSessions(app, deps);
  registerBrowserLinks(app, deps);
  registerApiKeyRoutes(app, deps);
}
