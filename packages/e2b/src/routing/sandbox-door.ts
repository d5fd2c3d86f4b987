import type { IncomingMessage, ServerResponse } from "node:http";
import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import type { AdmittedTarget, Edge, UpgradedClient } from "@wrenn/edge";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import { ENVD_PORT } from "../envd-version.ts";
import type { EnvdFacade } from "../envd/envd-facade.ts";
import type { FoundSandbox, SandboxFinder } from "../sandboxes/sandbox-finder.ts";
import { allowOrigins, answerPreflight } from "../envd/http/cross-origin.ts";
import { answerBadTarget, answerRefusal, errorOfPort } from "./refusals.ts";
import type { BadTarget, SandboxTarget } from "./sandbox-target.ts";

export interface SandboxDoorDeps {
  readonly finder: SandboxFinder;
  readonly tokens: SandboxTokens;
  readonly envd: EnvdFacade;
  readonly edge: Pick<Edge, "serve" | "serveUpgrade" | "find">;
  readonly random: Random;
}

/** Lets requests that name a sandbox and a port in: to the agent, or to a service in the guest. */
export class SandboxDoor {
  readonly #deps: SandboxDoorDeps;

  constructor(deps: SandboxDoorDeps) {
    this.#deps = deps;
  }

  /**
   * Answers the request, or hands it on.
   *
   * @param client - the connection of a request for another protocol, which services may agree to; the agent has none.
   */
  async open(
    target: SandboxTarget | BadTarget,
    request: IncomingMessage,
    response: ServerResponse,
    client?: UpgradedClient,
  ): Promise<void> {
    const { finder, envd, edge } = this.#deps;
    if ("problem" in target) {
      answerBadTarget(response, target.problem);
      return;
    }
    const { sandboxId, port } = target;
    if (port === ENVD_PORT) allowOrigins(response);
    const sandbox = await finder.find(sandboxId);
    const isDormant =
      sandbox?.row.status === "paused" && (!sandbox.row.auto_resume || sandbox.row.kept === "disk");
    // By traffic, a paused sandbox that is not resumed looks like a missing one. What would have to boot is never resumed.
    if (!sandbox || isDormant) {
      // A page of another origin learns the status of its request only when the question before it is answered.
      if (port === ENVD_PORT && request.method === "OPTIONS") answerPreflight(request, response);
      else this.#refuse(target, response, new WrennError("sandbox_not_found", {}));
    } else if (port === ENVD_PORT) envd.request(sandbox, request, response);
    else if (await this.#isAdmitted(sandbox, request)) {
      const admitted = this.#admitted(sandbox, target, response);
      if (client) edge.serveUpgrade(admitted, request, response, client);
      else edge.serve(admitted, request, response);
    } else {
      const error = new WrennError("traffic_token_missing", { sandbox: sandboxId, port });
      this.#refuse(target, response, error);
    }
  }

  #refuse({ sandboxId }: SandboxTarget, response: ServerResponse, error: WrennError): void {
    answerRefusal(response, { sandboxId }, error, this.#deps.random.uuid());
  }

  #admitted(
    { capsuleId, row: { ingress } }: FoundSandbox,
    { sandboxId, port }: SandboxTarget,
    response: ServerResponse,
  ): AdmittedTarget {
    return {
      capsuleId,
      port,
      host: ingress?.maskHost?.replaceAll("${PORT}", String(port)),
      refuse: (error, requestId) =>
        answerRefusal(response, { sandboxId, port }, errorOfPort(error, sandboxId), requestId),
    };
  }

  /** Capsules that were made by the platform's own API have private ports, which no token of this API opens. */
  async #isAdmitted({ row, capsuleId }: FoundSandbox, { headers }: IncomingMessage): Promise<boolean> {
    const { edge, tokens } = this.#deps;
    if (!row.ingress) return false;
    const token = headers["e2b-traffic-access-token"];
    if (typeof token === "string" && tokens.isTraffic(row.id, token)) return true;
    return (await edge.find(capsuleId)).publicPorts === "all";
  }
}
