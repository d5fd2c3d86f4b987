import type { IncomingMessage, ServerResponse } from "node:http";
import { posix } from "node:path";
import { problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { noteRelayed } from "@wrenn/edge";
import { answerRefusal } from "../routing/refusals.ts";
import { hasToken, judgeFileAccess, judgeToken, signedAddressOf } from "./access/check-access.ts";
import type { AccessProblem } from "./access/check-access.ts";
import type { AddressedSandbox, EnvdSandbox } from "./envd-sandbox.ts";
import { Watchers } from "./filesystem/watchers.ts";
import { isGone } from "./gone.ts";
import { composeFiles } from "./http/compose-files.ts";
import { allowOrigins, answerPreflight } from "./http/cross-origin.ts";
import { downloadFile } from "./http/download-file.ts";
import { answerError, answerJson, breakOff, leftOf } from "./http/exchange.ts";
import type { AgentExchange } from "./http/exchange.ts";
import { answerFailure } from "./http/http-errors.ts";
import { answerEnvironment, answerHealth, answerMetrics } from "./http/plain-routes.ts";
import { uploadFiles } from "./http/upload-files.ts";
import { createRpcHandler } from "./rpc/rpc-handler.ts";
import type { RpcHandler } from "./rpc/rpc-handler.ts";
import { basicUserOf } from "./user-paths.ts";

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const NOT_FOUND = 404;
const METHOD_NOT_ALLOWED = 405;
const TOO_MANY_REQUESTS = 429;
const HEALTH = "/health";
const FILES = "/files";
/** Requests of one sandbox under way at a time; a client of the default settings opens half as many at most. */
const MOST_REQUESTS = 4000;

type Answer = (sandbox: EnvdSandbox, exchange: AgentExchange) => Promise<void>;

const health: Answer = async (_sandbox, { response }) => answerHealth(response);

/** Every path outside of RPCs, with its methods. What an agent has for its host only, such as `/init`, is not there. */
const routes: Partial<Readonly<Record<string, Partial<Readonly<Record<string, Answer>>>>>> = {
  [HEALTH]: { GET: health, HEAD: health },
  "/metrics": { GET: answerMetrics },
  "/envs": { GET: answerEnvironment },
  [FILES]: { GET: downloadFile, HEAD: downloadFile, POST: uploadFiles },
  "/files/compose": { POST: composeFiles },
};

export interface EnvdServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
}

/** Answers the requests that clients send to the agent of a sandbox: there is none, the platform's own services do the work. */
export class EnvdServer {
  readonly #deps: EnvdServerDeps;
  readonly #watchers: Watchers;
  readonly #rpc: RpcHandler;
  /** Answers under way, by sandbox. */
  readonly #open = new Map<string, Set<ServerResponse>>();

  constructor(deps: EnvdServerDeps) {
    this.#deps = deps;
    this.#watchers = new Watchers(deps);
    this.#rpc = createRpcHandler({ watchers: this.#watchers });
  }

  /** Answers one request; every error is answered too. */
  async answer(sandbox: AddressedSandbox, request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What fails on a connection that is gone has no one to hear of it, and must not end the server.
    for (const stream of [request, response]) stream.on("error", () => undefined);
    allowOrigins(response);
    try {
      if (!this.#enter(sandbox.id, response)) {
        const message = `the sandbox has ${MOST_REQUESTS} requests under way`;
        answerError(response, TOO_MANY_REQUESTS, message);
        return;
      }
      await this.#answer(sandbox, request, response);
    } catch (error) {
      this.#fail(sandbox, error, response);
    } finally {
      // Many clients read the answer only after they have sent everything.
      if (!request.readableEnded) request.resume();
    }
  }

  /** Breaks every answer that is under way. */
  close(): void {
    this.#watchers.close();
    for (const responses of this.#open.values()) for (const response of responses) breakOff(response);
  }

  #enter(id: string, response: ServerResponse): boolean {
    const responses = this.#open.get(id) ?? new Set();
    if (responses.size >= MOST_REQUESTS) return false;
    this.#open.set(id, responses.add(response));
    response.once("close", () => {
      responses.delete(response);
      if (responses.size === 0) this.#open.delete(id);
    });
    return true;
  }

  async #answer(
    addressed: AddressedSandbox,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { method = "GET", headers } = request;
    const url = new URL(request.url ?? "/", "http://sandbox");
    const path = cleanPath(url.pathname);
    const query = url.searchParams;
    const isRpc = this.#rpc.has(path);
    const route = routes[path];
    if (method === "OPTIONS" && (isRpc || route)) {
      answerPreflight(request, response);
      return;
    }
    if (addressed.state === "paused") {
      this.#answerGone(addressed, response);
      return;
    }
    if (!isRpc && !route) {
      answerError(response, NOT_FOUND, "not found");
      return;
    }
    const answer = route?.[method];
    if (route && !answer) {
      response.setHeader("allow", Object.keys(route).join(", "));
      answerError(response, METHOD_NOT_ALLOWED, `${method} is not possible here`);
      return;
    }
    if (addressed.state === "resumable" && !hasToken(headers, addressed.token)) {
      const message = "the sandbox is paused, and is resumed by requests with its access token only";
      answerJson(response, FORBIDDEN, { sandboxId: addressed.id, message, code: FORBIDDEN });
      return;
    }
    const problem = this.#judge(path, { method, headers, query }, addressed.token);
    if (problem !== undefined) {
      // In the form of each protocol: clients of RPCs expect the name of a code.
      if (isRpc) answerJson(response, UNAUTHORIZED, { code: "unauthenticated", message: problem });
      else answerError(response, UNAUTHORIZED, problem);
      return;
    }
    // Looking whether it runs neither uses a sandbox nor keeps it from being paused.
    if (path === HEALTH && addressed.state === "running") {
      if (await addressed.isRunning()) answerHealth(response);
      else this.#answerGone(addressed, response);
      return;
    }
    // A file or a stream may take its time, once it is known whose it is.
    noteRelayed(request);
    const left = leftOf(response);
    const sandbox = await addressed.open();
    sandbox.touch();
    if (answer) {
      await answer(sandbox, { request, response, method, query, left });
      return;
    }
    const user = basicUserOf(headers.authorization) ?? sandbox.defaultUser;
    const outcome = await this.#rpc.answer(path, request, response, { sandbox, user });
    if (outcome === "gone") this.#answerGone(addressed, response);
  }

  #answerGone({ id }: AddressedSandbox, response: ServerResponse): void {
    const error = new WrennError("sandbox_not_found", {});
    answerRefusal(response, { sandboxId: id }, error, this.#deps.random.uuid());
  }

  /** Whether the request may use the sandbox. */
  #judge(
    path: string,
    { method, headers, query }: Pick<AgentExchange, "method" | "query"> & Pick<IncomingMessage, "headers">,
    token: string,
  ): AccessProblem {
    if (path === HEALTH) return undefined;
    if (path !== FILES) return judgeToken(headers, token);
    return judgeFileAccess(headers, signedAddressOf(method, query), token, this.#deps.clock.now());
  }

  #fail(sandbox: AddressedSandbox, error: unknown, response: ServerResponse): void {
    if (response.headersSent || response.destroyed) {
      breakOff(response);
      return;
    }
    if (isGone(error)) {
      this.#answerGone(sandbox, response);
      return;
    }
    const isKnown = answerFailure(response, error);
    const isOurs = !isKnown || (error instanceof WrennError && error.entry.fault === "system");
    if (isOurs)
      this.#deps.logger.error("e2b.agent_failed", { sandbox: sandbox.id, problem: problemOf(error) });
  }
}

/** Decoded and without detours, as programs behind would see it. */
function cleanPath(path: string): string {
  try {
    return posix.normalize(decodeURIComponent(path)).replace(/(?<=.)\/$/, "");
  } catch {
    return path;
  }
}
