import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "./app.ts";

/** The page's scripts and styles are files of this server; what it shows is the description next to it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
const PREFIX = "/docs";
const PATHS = ["/", "/static/index.html", "/static/swagger-initializer.js", "/static/*"];
/** Fields that belong to the connection, or follow from the content. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "transfer-encoding",
]);

type Page = Awaited<ReturnType<typeof openPage>>;

/**
 * `/docs`, the page that shows the description of the API. Its library is loaded at the first visit: loading it would be a twentieth
 * of every start of the server.
 */
export async function registerDocsPage(app: App): Promise<void> {
  let page: Promise<Page> | undefined;
  const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    page ??= openPage();
    const { url } = request;
    // Pages come whole: a part that is not there would be refused in the library's own words.
    const { range: _range, "if-range": _ifRange, ...headers } = request.headers;
    const found = await (await page).inject({ method: "GET", url, headers });
    // Whatever the library refuses, such as a path that is too long, is no page: its own words are not those of the catalogue.
    if (found.statusCode >= 400) {
      reply.callNotFound();
      return reply;
    }
    for (const [name, value] of Object.entries(found.headers))
      if (value !== undefined && !OWN_FIELDS.has(name)) reply.header(name, value);
    return await reply.status(found.statusCode).send(found.rawPayload);
  };
  await app.register(
    async (group) => {
      for (const path of PATHS) group.get(path, { schema: { hide: true }, config: { isPage: true } }, answer);
    },
    { prefix: PREFIX },
  );
}

/** The library's routes, in an application of their own, which listens nowhere. */
async function openPage() {
  const [{ default: Fastify }, { default: swagger }, { default: swaggerUi }] = await Promise.all([
    import("fastify"),
    import("@fastify/swagger"),
    import("@fastify/swagger-ui"),
  ]);
  const page = Fastify();
  await page.register(swagger);
  await page.register(swaggerUi, { routePrefix: PREFIX, staticCSP: POLICY });
  await page.ready();
  return page;
}
