import type { Random } from "@wrenn/core";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../http/app.ts";
import { pageOf } from "../http/page.ts";
import { contentPolicy, withNonce } from "./content-policy.ts";
import type { DashboardFile, DashboardFiles } from "./dashboard-files.ts";
import { dashboardFilePaths, dashboardPaths } from "./dashboard-paths.ts";

const NONCE_BYTES = 16;
const PAGE = "index.html";
/** Names below it are made of the content. */
const HASHED = "_app/immutable/";
const FOREVER = "public, max-age=31536000, immutable";
const KEPT_AND_ASKED = "no-cache";

export interface DashboardRoutesDeps {
  readonly files: DashboardFiles;
  readonly random: Random;
}

/** The dashboard (docs/guides/dashboard.md): one page under all its addresses, and the files that it consists of. */
export function registerDashboard(app: App, { files, random }: DashboardRoutesDeps): void {
  const hidden = { schema: { hide: true }, config: { isPage: true } };
  for (const path of dashboardPaths)
    app.get(path, hidden, async (_request, reply) => await sendPage(reply, await files.get(PAGE), random));
  for (const path of dashboardFilePaths)
    app.get(path, hidden, async (request, reply) => {
      const name = decoded(request.url.split("?", 1)[0] ?? "");
      const file = name === undefined ? undefined : await files.get(name);
      if (file && name !== undefined) return await sendFile(request, reply, name, file);
      reply.callNotFound();
      return reply;
    });
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path.slice(1));
  } catch {
    return undefined;
  }
}

async function sendPage(
  reply: FastifyReply,
  file: DashboardFile | undefined,
  random: Random,
): Promise<FastifyReply> {
  if (!file) {
    const { html, headers } = notBuilt;
    return await reply.status(404).headers(headers).send(html);
  }
  const nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString("base64");
  return await reply
    .headers({ "content-security-policy": contentPolicy(nonce), "cache-control": "no-store" })
    .type(file.type)
    .send(withNonce(file.bytes.toString("utf8"), nonce));
}

async function sendFile(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  name: string,
  { bytes, gzipped, type, tag }: DashboardFile,
): Promise<FastifyReply> {
  void reply.headers({
    etag: tag,
    vary: "accept-encoding",
    "cache-control": name.startsWith(HASHED) ? FOREVER : KEPT_AND_ASKED,
  });
  if (headers["if-none-match"]?.includes(tag)) return await reply.status(304).send();
  void reply.type(type);
  if (!gzipped || !/\bgzip\b/.test(headers["accept-encoding"] ?? "")) return await reply.send(bytes);
  return await reply.header("content-encoding", "gzip").send(gzipped);
}

const notBuilt = pageOf(
  "The dashboard is not built",
  `<p>This server runs without its dashboard. <code>./wrenn up</code> builds it; why it could not is in its output.</p>
<p>Command line, SDKs and API work as ever: <a href="/download">install a client</a>, <a href="/docs">API reference</a>.</p>`,
);
