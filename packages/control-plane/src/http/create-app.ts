import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { problemOf, silentLogger, TrustedProxies, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import Fastify from "fastify";
import type { FastifyRequest } from "fastify";
import { AllowedMethods } from "./allowed-methods.ts";
import type { App } from "./app.ts";
import { isContractRoute } from "./contract-routes.ts";
import { toWire } from "./envelope.ts";
import { fromFastify, refusePath } from "./fastify-errors.ts";
import { acceptJsonBodies } from "./json-bodies.ts";
import type { DescribedSocket } from "../openapi/describe-sockets.ts";
import { limitBodies } from "./limit-bodies.ts";
import type { BodyLimits } from "./limit-bodies.ts";
import { registerOpenApi } from "./openapi.ts";
import { RouteSchemas } from "./route-schemas.ts";
import { RequestIds } from "./request-ids.ts";
import { isGone } from "./waiting-client.ts";
import { removeUnlistedFields } from "./strict-fields.ts";

/** JSON bodies are small; files have routes of their own. */
export const BODY_LIMIT = 1 << 20;
/** Characters of one segment of a path that stands for something; routes want less. */
const MAX_PARAMETER = 256;
const REQUEST_ID = /^[\w.:-]{1,64}$/;

export interface AppDeps {
  readonly logger: Logger;
  readonly random: Random;
  readonly proxies?: TrustedProxies;
  readonly bodyLimits?: BodyLimits | undefined;
  /** WebSocket routes, which the description lists with the others. */
  readonly sockets?: readonly DescribedSocket[];
  /** Compiles the schemas of routes; by default at their first use. */
  readonly schemas?: RouteSchemas | undefined;
}

/** How an API answers what is wrong with a request. */
export interface ApiAnswers {
  /** The answer to an error, whatever was thrown. */
  readonly refusal: (error: unknown, request: FastifyRequest, logger: Logger) => RefusalAnswer;
  /** The error of a path without a route for this method, with the methods that there are routes for. */
  readonly noRoute: (request: FastifyRequest, allowed: readonly string[]) => WrennError;
  /** Whether a route ignores fields that it does not list, and takes null for absent. */
  readonly ignoresUnknownFields: (method: string, url: string) => boolean;
}

export interface RefusalAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: object;
}

const ownAnswers: ApiAnswers = {
  refusal: (error, { id }, logger) => toWire(error, id, logger),
  noRoute: ({ method, url }, allowed) => {
    const path = url.split("?")[0] ?? "";
    // A route may have found nothing itself: then the method is not the problem.
    return allowed.length > 0 && !allowed.includes(method)
      ? new WrennError("method_not_allowed", { method, path, allowed: allowed.join(", ") })
      : new WrennError("route_not_found", { method, path });
  },
  ignoresUnknownFields: isContractRoute,
};

/** The path that an alias stands for: some clients of the contract have base addresses that end in `/api`. */
export function withoutAlias(url: string): string {
  return url.startsWith("/api/v1/") ? url.slice("/api".length) : url;
}

/** Fastify as the API uses it: request ids, a log line for each request, errors as envelopes, a description; no routes yet. */
export async function createApp(deps: AppDeps, version: string): Promise<App> {
  const app = createBareApp(deps, ownAnswers);
  await registerOpenApi(app, version, deps.sockets ?? []);
  return app;
}

/** The same without a description, with its own answers to errors. */
export function createBareApp(
  { logger, random, proxies = TrustedProxies.none, bodyLimits, schemas = new RouteSchemas() }: AppDeps,
  answers: ApiAnswers,
): App {
  const ids = new RequestIds(random);
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    schemaController: { compilersFactory: schemas.compilersFactory },
    routerOptions: { maxParamLength: MAX_PARAMETER },
    frameworkErrors: refusePath((error, request) => answers.refusal(error, request, logger)),
    // Its own answer is no envelope: see below.
    return503OnClosing: false,
    rewriteUrl: ({ url = "/" }) => withoutAlias(url),
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : ids.next();
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(schemas.validatorCompiler);
  const methods = new AllowedMethods(app);
  app.decorateRequest("identity", undefined);
  app.addHook("onRequest", (request, _reply, done) => {
    // One rule says who the client is; Fastify's own takes the connection's other end, or text that is no address.
    Object.defineProperty(request, "ip", { value: proxies.addressOf(request.raw) });
    done();
  });
  app.addHook("onRequest", async (request, reply) => void reply.header("x-request-id", request.id));
  let isClosing = false;
  app.addHook("preClose", async () => {
    isClosing = true;
  });
  app.addHook("onRequest", async (_request, reply) => {
    if (!isClosing) return;
    reply.header("connection", "close");
    throw new WrennError("server_closing", {});
  });
  app.addHook("onResponse", async (request, reply) => {
    logger.info("request", {
      method: request.method,
      path: request.url.split("?")[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      request_id: request.id,
    });
  });
  app.setErrorHandler(async (error, request, reply) => {
    const known = fromFastify(error, request);
    // What goes wrong because a client left is no failure: clients could fill the log with stacks.
    const left = isGone(reply);
    if (left) logger.info("request.abandoned", { request_id: request.id, problem: problemOf(known) });
    const { status, body, headers } = answers.refusal(known, request, left ? silentLogger : logger);
    reply.headers(headers);
    return await reply.status(status).send(body);
  });
  app.setNotFoundHandler(async (request) => {
    throw answers.noRoute(request, methods.of(request.url.split("?")[0] ?? ""));
  });
  limitBodies(app, bodyLimits);
  acceptJsonBodies(app);
  removeUnlistedFields(app, answers.ignoresUnknownFields);
  return app;
}
