import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { problemOf, randomHex, silentLogger, TrustedProxies, WrennError } from "@wrenn/core";
import type { Logger, Random } from "@wrenn/core";
import Fastify from "fastify";
import type { App } from "./app.ts";
import { toWire } from "./envelope.ts";
import { fromFastify, refusePath } from "./fastify-errors.ts";
import { acceptJsonBodies } from "./json-bodies.ts";
import { limitBodies } from "./limit-bodies.ts";
import type { BodyLimits } from "./limit-bodies.ts";
import { registerOpenApi } from "./openapi.ts";
import { isGone } from "./waiting-client.ts";
import { removeUnlistedFields } from "./strict-fields.ts";

/** JSON bodies are small; files have routes of their own. */
const BODY_LIMIT = 1 << 20;
/** Characters of one segment of a path that stands for something; routes want less. */
const MAX_PARAMETER = 256;
const REQUEST_ID = /^[\w.:-]{1,64}$/;

export interface AppDeps {
  readonly logger: Logger;
  readonly random: Random;
  readonly proxies?: TrustedProxies;
  readonly bodyLimits?: BodyLimits | undefined;
}

/** Fastify as the API uses it: request ids, a log line for each request, errors as envelopes, a description; no routes yet. */
export async function createApp(
  { logger, random, proxies = TrustedProxies.none, bodyLimits }: AppDeps,
  version: string,
): Promise<App> {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    routerOptions: { maxParamLength: MAX_PARAMETER },
    frameworkErrors: refusePath(logger),
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : `req-${randomHex(random, 12)}`;
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  app.decorateRequest("identity", undefined);
  app.addHook("onRequest", (request, _reply, done) => {
    // One rule says who the client is; Fastify's own takes the connection's other end, or text that is no address.
    Object.defineProperty(request, "ip", { value: proxies.addressOf(request.raw) });
    done();
  });
  app.addHook("onRequest", async (request, reply) => void reply.header("x-request-id", request.id));
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
    const { status, body, headers } = toWire(known, request.id, left ? silentLogger : logger);
    reply.headers(headers);
    return await reply.status(status).send(body);
  });
  app.setNotFoundHandler(async (request) => {
    throw new WrennError("route_not_found", {
      method: request.method,
      path: request.url.split("?")[0] ?? "",
    });
  });
  limitBodies(app, bodyLimits);
  acceptJsonBodies(app);
  removeUnlistedFields(app);
  await registerOpenApi(app, version);
  return app;
}
