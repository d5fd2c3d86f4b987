import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../http/app.ts";
import type { DashboardFile, DashboardFiles } from "./dashboard-files.ts";
import type { DashboardPage } from "./dashboard-page.ts";
import { dashboardFilePaths, dashboardPaths } from "./dashboard-paths.ts";

/** Names below it are made of the content. */
const HASHED = "_app/immutable/";
const FOREVER = "public, max-age=31536000, immutable";
const KEPT_AND_ASKED = "no-cache";

export interface DashboardRoutesDeps {
  readonly files: DashboardFiles;
  readonly page: DashboardPage;
}

/** The dashboard (docs/guides/dashboard.md): one page under all its addresses, and the files that it consists of. */
export function registerDashboard(app: App, { files, page }: DashboardRoutesDeps): void {
  const hidden = { schema: { hide: true }, config: { isPage: true } };
  for (const path of dashboardPaths)
    app.get(path, hidden, async (_request, reply) => await page.sendOwn(reply));
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
