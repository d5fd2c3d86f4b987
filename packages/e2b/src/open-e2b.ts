import type { IncomingMessage, ServerResponse } from "node:http";
import type { ControlPlane, SharedServices } from "@wrenn/control-plane";
import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { secretQueries } from "@wrenn/database";
import type { Edge } from "@wrenn/edge";
import { SandboxTokens } from "./access/sandbox-tokens.ts";
import { createEnvd } from "./envd/envd-facade.ts";
import { ENVD_PORT } from "./envd-version.ts";
import { answerBadTarget, answerNoSandbox } from "./routing/plain-answers.ts";
import { sandboxTargetOf } from "./routing/sandbox-target.ts";
import type { BadTarget, SandboxTarget } from "./routing/sandbox-target.ts";
import { SandboxFinder } from "./sandboxes/sandbox-finder.ts";

const TOKEN_KEY_BYTES = 32;
const INTERNAL_ERROR = 500;

export interface E2bOptions {
  readonly services: SharedServices;
  /** Takes requests for ports of sandboxes other than the agent's. */
  readonly edge: Pick<Edge, "serve">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** The API of E2B on the services of this platform. */
export interface E2b {
  /** The handlers of the platform's own API, with the requests of this one taken out before. */
  around(handlers: ControlPlane["handlers"]): ControlPlane["handlers"];
  /** Ends what is under way; before the control plane is closed. */
  close(): Promise<void>;
}

/** Opens the API of E2B beside the platform's own. */
export async function openE2b(options: E2bOptions): Promise<E2b> {
  const { services, edge, clock, logger, random } = options;
  const { database } = services;
  const key = await secretQueries.ensureSecret(database.db, "e2b-tokens", () =>
    random.bytes(TOKEN_KEY_BYTES),
  );
  const tokens = new SandboxTokens(key);
  const finder = new SandboxFinder(database);
  const envd = createEnvd({ services, tokens, clock, logger, random });

  const toSandbox = async (
    target: SandboxTarget | BadTarget,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    if ("problem" in target) {
      answerBadTarget(response, target.problem);
      return;
    }
    const sandbox = await finder.find(target.sandboxId);
    if (!sandbox) answerNoSandbox(response, target.sandboxId);
    else if (target.port === ENVD_PORT) envd.request(sandbox, request, response);
    else edge.serve({ capsuleId: sandbox.capsuleId, port: target.port }, request, response);
  };

  return {
    around: (handlers) => ({
      request: (request, response) => {
        const target = sandboxTargetOf(request.headers);
        if (!target) {
          if (!envd.anonymous(request, response)) handlers.request(request, response);
          return;
        }
        toSandbox(target, request, response).catch((error: unknown) => {
          logger.error("e2b.request_failed", { problem: problemOf(error) });
          if (response.headersSent) response.destroy();
          else response.writeHead(INTERNAL_ERROR).end();
        });
      },
      upgrade: handlers.upgrade,
    }),
    close: async () => await envd.close(),
  };
}
