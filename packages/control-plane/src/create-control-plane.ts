import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import { randomHex, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import type { Database } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";
import Fastify from "fastify";
import { ApiKeyAuth } from "./auth/api-key-auth.ts";
import { toWire } from "./errors/envelope.ts";
import { fromFastify } from "./errors/from-fastify.ts";
import type { App, RouteServices } from "./routes/app.ts";
import { capsuleLifeRoutes } from "./routes/capsule-life.ts";
import { capsuleRoutes } from "./routes/capsules.ts";
import { execRoutes } from "./routes/exec.ts";
import { fileArchiveRoutes } from "./routes/file-archive.ts";
import { fileContentRoutes } from "./routes/file-content.ts";
import { fileDownloadRoutes } from "./routes/file-downloads.ts";
import { fileUploadRoutes } from "./routes/file-uploads.ts";
import { fileRoutes } from "./routes/files.ts";
import { processRoutes } from "./routes/processes.ts";
import { serviceRoutes } from "./routes/service.ts";
import { templateRoutes } from "./routes/templates.ts";
import { CapsulesService } from "./services/capsules.ts";
import { Operations } from "./services/operations.ts";
import { TemplatesService } from "./services/templates.ts";
import { serveWebSockets } from "./websocket/serve-websockets.ts";

/** JSON bodies are small; files have routes of their own. */
const BODY_LIMIT = 1 << 20;
/** Contract 00 §5. */
const HEADER_MS = 10_000;
const IDLE_MS = 620_000;
const REQUEST_ID = /^[\w.:-]{1,64}$/;
const CLOSE_MS = 5000;

export interface ControlPlaneOptions {
  readonly database: Database;
  readonly hostAgent: HostAgent;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly version: string;
}

export interface ControlPlane {
  /** Begins to answer; port 0 takes a free one. */
  listen(address: { readonly host: string; readonly port: number }): Promise<{ readonly url: string }>;
  close(): Promise<void>;
}

/** The public API on top of one host agent. */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { database, hostAgent, clock, logger } = options;
  const auth = new ApiKeyAuth(database, clock, logger);
  const operations = new Operations(options);
  const templates = new TemplatesService(database, hostAgent, options.random);
  const capsules = new CapsulesService({ ...options, operations, templates });
  await capsules.reconcile(AbortSignal.timeout(30_000));
  const services = { capsules, templates, hostAgent, auth, clock, logger, version: options.version };
  const app = await createApp(services, options.random);
  const closeSessions = serveWebSockets(app.server, services, options.random);
  return {
    listen: async ({ host, port }) => {
      await app.listen({ host, port });
      const address = app.server.address();
      const name = host.includes(":") ? `[${host}]` : host === "0.0.0.0" ? "127.0.0.1" : host;
      return { url: `http://${name}:${typeof address === "object" && address ? address.port : port}` };
    },
    close: async () => {
      // Requests under way are given a moment; a client that keeps a connection open does not hold the server up.
      const force = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
      closeSessions();
      app.server.closeIdleConnections();
      await app.close();
      clearTimeout(force);
      await capsules.close();
      await auth.close();
    },
  };
}

async function createApp(services: RouteServices, random: Random): Promise<App> {
  const app = Fastify({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: "idle",
    keepAliveTimeout: IDLE_MS,
    http: { headersTimeout: HEADER_MS, requestTimeout: 0 },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && REQUEST_ID.test(given) ? given : `req-${randomHex(random, 12)}`;
    },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler);
  app.decorateRequest("identity", undefined);
  app.addHook("onRequest", async (request, reply) => void reply.header("x-request-id", request.id));
  app.addHook("onResponse", async (request, reply) => {
    services.logger.info("request", {
      method: request.method,
      path: request.url.split("?")[0],
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime),
      request_id: request.id,
    });
  });
  app.setErrorHandler(async (error, request, reply) => {
    const { status, body } = toWire(fromFastify(error, BODY_LIMIT), request.id, services.logger);
    return await reply.status(status).send(body);
  });
  app.setNotFoundHandler(async (request) => {
    throw new WrennError("route_not_found", {
      method: request.method,
      path: request.url.split("?")[0] ?? "",
    });
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Wrenn",
        version: services.version,
        description:
          "Capsules: microVMs that start from frozen memory. Refusals carry a code, a message, a remedy and a request id.",
      },
      components: { securitySchemes: { apiKey: { type: "apiKey", in: "header", name: "X-API-Key" } } },
    },
  });
  await app.register(swaggerUi, { routePrefix: "/docs" });
  app.get("/openapi.json", { schema: { hide: true } }, async () => app.swagger());
  app.get(
    "/openapi.yaml",
    { schema: { hide: true } },
    async (_request, reply) => await reply.type("application/yaml").send(app.swagger({ yaml: true })),
  );
  await app.register(async (open) => serviceRoutes(open as App, services));
  await app.register(async (closed) => {
    closed.addHook("onRequest", async (request) => {
      request.identity = await services.auth.authenticate(request.headers);
    });
    closed.addHook("onRoute", (route) => {
      route.schema = { ...route.schema, security: [{ apiKey: [] }] };
    });
    const parsed = [
      capsuleRoutes,
      capsuleLifeRoutes,
      execRoutes,
      processRoutes,
      templateRoutes,
      fileRoutes,
      fileDownloadRoutes,
      fileArchiveRoutes,
    ];
    for (const routes of parsed) routes(closed, services);
    await closed.register(async (raw) => {
      // Files are of any size: their routes take the body as it arrives.
      raw.removeAllContentTypeParsers();
      raw.addContentTypeParser("*", (_request, _body, done) => done(null));
      for (const routes of [fileContentRoutes, fileUploadRoutes]) routes(raw, services);
    });
  });
  await app.ready();
  return app;
}
