import type { IncomingMessage, ServerResponse } from "node:http";
import type { SharedServices } from "@wrenn/control-plane";
import { problemOf } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import { SandboxFinder } from "../sandboxes/sandbox-finder.ts";
import type { FoundSandbox } from "../sandboxes/sandbox-finder.ts";
import { signedAddressOf } from "./access/check-access.ts";
import { SignedSandboxes } from "./access/signed-sandboxes.ts";
import { addressSandbox } from "./address-sandbox.ts";
import { DefaultUsers } from "./default-users.ts";
import { EnvdServer } from "./envd-server.ts";
import { allowOrigins, answerPreflight } from "./http/cross-origin.ts";
import { UploadNotices } from "./filesystem/upload-notices.ts";
import { answerError } from "./http/exchange.ts";

const UNAUTHORIZED = 401;
const INTERNAL_ERROR = 500;

/** What the facade is made of. */
export interface EnvdDeps {
  readonly services: SharedServices;
  readonly tokens: SandboxTokens;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** Answers requests for the agent of a sandbox in place of a process inside of it. */
export interface EnvdFacade {
  /**
   * Takes a request that names the sandbox. It answers every error itself.
   *
   * @param sandbox - exists, and runs or is paused; it is resumed when it has `auto_resume` and the request shows its token.
   */
  request(sandbox: FoundSandbox, request: IncomingMessage, response: ServerResponse): void;
  /** Takes a signed file address without the name of its sandbox; false leaves the request, untouched, to others. */
  anonymous(request: IncomingMessage, response: ServerResponse): boolean;
  /** Ends what is under way. */
  close(): Promise<void>;
}

/** Creates the facade. */
export function createEnvd(deps: EnvdDeps): EnvdFacade {
  const { services, tokens, logger } = deps;
  const server = new EnvdServer(deps);
  const users = new DefaultUsers();
  const uploads = new UploadNotices(deps.clock);
  const finder = new SandboxFinder(services.database);
  const signed = new SignedSandboxes(services.database, tokens);

  const answer = async (
    sandbox: FoundSandbox,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> => {
    await server.answer(addressSandbox(sandbox, { ...deps, users, uploads }), request, response);
  };
  const guarded = (work: Promise<void>, response: ServerResponse): void => {
    work.catch((error: unknown) => {
      logger.error("e2b.agent_failed", { problem: problemOf(error) });
      if (response.headersSent) response.destroy();
      else answerError(response, INTERNAL_ERROR, "internal error");
    });
  };

  return {
    request: (sandbox, request, response) => guarded(answer(sandbox, request, response), response),
    anonymous: (request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? "/", "http://sandbox");
      if (pathname !== "/files") return false;
      const address = signedAddressOf(request.method ?? "GET", searchParams);
      if (!address) return false;
      allowOrigins(response);
      if (request.method === "OPTIONS") {
        answerPreflight(request, response);
        return true;
      }
      const find = async (): Promise<void> => {
        const id = await signed.find(address);
        const sandbox = id === undefined ? undefined : await finder.find(id);
        if (sandbox) await answer(sandbox, request, response);
        else answerError(response, UNAUTHORIZED, "invalid signature");
      };
      guarded(find(), response);
      return true;
    },
    close: async () => server.close(),
  };
}
