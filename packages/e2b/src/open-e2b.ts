import type { IncomingMessage, ServerResponse } from "node:http";
import type { ControlPlane, SharedServices } from "@wrenn/control-plane";
import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { secretQueries } from "@wrenn/database";
import { authorityOf, responseOn } from "@wrenn/edge";
import type { Edge, UpgradedClient } from "@wrenn/edge";
import { SandboxTokens } from "./access/sandbox-tokens.ts";
import { isE2bRequest } from "./api/e2b-paths.ts";
import { openE2bApi } from "./api/open-e2b-api.ts";
import { UnknownRoutes } from "./api/unknown-routes.ts";
import type { UnknownRoute } from "./api/unknown-routes.ts";
import { createEnvd } from "./envd/envd-facade.ts";
import { allowOrigins, answerPreflight } from "./envd/http/cross-origin.ts";
import { clientDomainOf } from "./routing/client-domain.ts";
import type { SandboxOrigin } from "./routing/client-domain.ts";
import { answerRefusal } from "./routing/refusals.ts";
import { SandboxDoor } from "./routing/sandbox-door.ts";
import { isRoutingPreflight, sandboxTargetOf } from "./routing/sandbox-target.ts";
import { SandboxFinder } from "./sandboxes/sandbox-finder.ts";

const TOKEN_KEY_BYTES = 32;

export interface E2bOptions {
  readonly services: SharedServices;
  /** Takes requests for ports of sandboxes other than the agent's. */
  readonly edge: Pick<Edge, "serve" | "serveUpgrade" | "find">;
  /** Where names below the domain of the server are reached; its scheme and port are known once the server listens. */
  readonly origin: () => SandboxOrigin;
  /** Where users reach the platform: a host that is the platform's is not one of this API alone. */
  readonly publicUrl: string;
  /** Reaches registries of images. */
  readonly registryFetch: typeof fetch;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** The API of E2B on the services of this platform. */
export interface E2b {
  /** The handlers of the platform's own API, with the requests of this one taken out before. */
  around(handlers: ControlPlane["handlers"]): ControlPlane["handlers"];
  /** Below which clients find the API and sandboxes over TLS, with its port; undefined where they cannot. */
  clientDomain(): string | undefined;
  /** Routes that clients have called, and that this API does not have. */
  unknownRoutes(): readonly UnknownRoute[];
  /** Ends what is under way; before the control plane is closed. */
  close(): Promise<void>;
}

/** Opens the API of E2B beside the platform's own. */
export async function openE2b(options: E2bOptions): Promise<E2b> {
  const { services, edge, origin, publicUrl, registryFetch: fetch, clock, logger, random } = options;
  const { database } = services;
  const key = await secretQueries.ensureSecret(database.db, "e2b-tokens", () =>
    random.bytes(TOKEN_KEY_BYTES),
  );
  const tokens = new SandboxTokens(key);
  const unknown = new UnknownRoutes();
  services.addCounter({
    // `wrenn doctor` reads it.
    name: "wrenn_e2b_unknown_requests_total",
    help: "Requests of E2B's clients for routes that its API does not have here, by route and the client that called last",
    labels: ["method", "path", "client"],
    read: () => unknown.list(),
  });
  const clientDomain = (): string | undefined => clientDomainOf(origin());
  const api = await openE2bApi({
    services,
    tokens,
    key,
    unknown,
    domain: clientDomain,
    fetch,
    clock,
    random,
  });
  const envd = createEnvd({ services, tokens, clock, logger, random });
  const door = new SandboxDoor({ finder: new SandboxFinder(database), tokens, envd, edge, random });
  const { domain } = origin();
  const apiName = `api.${domain}`;
  const apiHost = URL.parse(publicUrl)?.hostname === apiName ? undefined : apiName;

  /** Takes a request that names a sandbox. */
  const enter = (
    request: IncomingMessage,
    respond: () => ServerResponse,
    client?: UpgradedClient,
  ): boolean => {
    const target = sandboxTargetOf({ host: authorityOf(request), headers: request.headers }, domain);
    if (!target) return false;
    const response = respond();
    door.open(target, request, response, client).catch((error: unknown) => {
      logger.error("e2b.request_failed", { problem: problemOf(error) });
      if (response.headersSent || !("sandboxId" in target)) response.destroy();
      else answerRefusal(response, target, asKnown(error), random.uuid());
    });
    return true;
  };
  const take = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (enter(request, () => response)) return true;
    if (isRoutingPreflight(request, authorityOf(request))) {
      allowOrigins(response);
      answerPreflight(request, response);
      return true;
    }
    if (isE2bRequest(request.url ?? "/", authorityOf(request), apiHost)) {
      api.request(request, response);
      return true;
    }
    return envd.anonymous(request, response);
  };

  return {
    around: (handlers) => ({
      request: (request, response) => {
        if (!take(request, response)) handlers.request(request, response);
      },
      upgrade: (request, socket, head) => {
        const respond = (): ServerResponse => {
          // It may break while the sandbox is looked up.
          socket.on("error", () => undefined);
          return responseOn(request, socket);
        };
        if (!enter(request, respond, { socket, head })) handlers.upgrade(request, socket, head);
      },
    }),
    clientDomain,
    unknownRoutes: () => unknown.list(),
    close: async () => {
      await envd.close();
      await api.close();
    },
  };
}

function asKnown(error: unknown): WrennError {
  return error instanceof WrennError ? error : new WrennError("internal", {}, { cause: error });
}
