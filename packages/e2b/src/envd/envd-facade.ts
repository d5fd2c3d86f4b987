import type { IncomingMessage, ServerResponse } from "node:http";
import type { SharedServices } from "@wrenn/control-plane";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import type { FoundSandbox } from "../sandboxes/sandbox-finder.ts";

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

const NOT_IMPLEMENTED = 501;

/** Creates the facade. */
export function createEnvd(_deps: EnvdDeps): EnvdFacade {
  return {
    request: (_sandbox, request, response) => {
      request.resume();
      response.writeHead(NOT_IMPLEMENTED, { "content-type": "application/json" });
      response.end(JSON.stringify({ code: NOT_IMPLEMENTED, message: "the agent is not available" }));
    },
    anonymous: () => false,
    close: async () => undefined,
  };
}
