import swagger from "@fastify/swagger";
import type { FastifyReply } from "fastify";
import { completeDocument } from "../openapi/complete-document.ts";
import type { RawDocument } from "../openapi/complete-document.ts";
import type { DescribedSocket } from "../openapi/describe-sockets.ts";
import type { App } from "./app.ts";
import { registerDocsPage } from "./docs-page.ts";

const DESCRIPTION = [
  "Capsules: microVMs that start from frozen memory.",
  "Refusals carry a code, a message, a remedy and a request id; each operation lists the reasons that it may have.",
  "Paths that no operation has are refused with `route_not_found`, methods that a path does not have with `method_not_allowed`, segments of paths that are too long with `path_too_long`.",
  "`Prefer: handling=strict` makes every operation refuse fields that it does not list; operations that are not of the contract always do.",
  "WebSocket operations list their messages in `x-websocket`.",
].join(" ");

/** Collects the schemas of every route that is registered from now on into the description of the API, next to the WebSocket routes. */
export async function registerOpenApi(
  app: App,
  version: string,
  sockets: readonly DescribedSocket[],
): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Wrenn",
        version,
        description: DESCRIPTION,
      },
      components: {
        securitySchemes: {
          apiKey: { type: "apiKey", in: "header", name: "X-API-Key" },
          session: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        },
      },
    },
    transformObject: (document) =>
      "openapiObject" in document
        ? Object.assign(document.openapiObject, completeDocument(asRaw(document.openapiObject), sockets))
        : document.swaggerObject,
  });
}

/** What swagger made of the schemas; it writes them as they are. */
function asRaw(document: unknown): RawDocument {
  return JSON.parse(JSON.stringify(document)) as RawDocument;
}

/**
 * The description of the API, and a page that shows it. `whole` is what it describes. The text is made once and shared by all answers: it is
 * the largest that needs no credentials, and clients may leave it unread.
 */
export async function registerDescription(app: App, whole: App): Promise<void> {
  const json = once(() => Buffer.from(JSON.stringify(whole.swagger())));
  const yaml = once(() => Buffer.from(whole.swagger({ yaml: true })));
  const sendJson = (reply: FastifyReply): FastifyReply =>
    reply.type("application/json; charset=utf-8").send(json());
  const sendYaml = (reply: FastifyReply): FastifyReply => reply.type("application/yaml").send(yaml());
  await registerDocsPage(app);
  app.get("/docs/json", { schema: { hide: true }, config: { isPage: true } }, async (_request, reply) =>
    sendJson(reply),
  );
  app.get("/docs/yaml", { schema: { hide: true }, config: { isPage: true } }, async (_request, reply) =>
    sendYaml(reply),
  );
  const schema = { summary: "This description", tags: ["service"] };
  app.get("/openapi.json", { schema }, async (_request, reply) => sendJson(reply));
  app.get("/openapi.yaml", { schema }, async (_request, reply) => sendYaml(reply));
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
