import type { IncomingMessage } from "node:http";
import type { TrustedProxies } from "@wrenn/core";
import { Type } from "typebox";
import type { App } from "../http/app.ts";
import { refusals } from "../http/schemas.ts";
import { packageNames } from "./client-packages.ts";
import type { ClientPackages } from "./client-packages.ts";
import { downloadPage } from "./download-page.ts";

const tags = ["service"];
const summaries = {
  cli: "The command line for client machines",
  sdk: "The TypeScript SDK",
} as const;

export interface DownloadRoutesDeps {
  readonly packages: ClientPackages;
  readonly proxies: TrustedProxies;
  /** Where people reach the platform, for requests that do not say how they did. */
  readonly publicUrl: string;
}

/** What client machines install (docs/guides/client-machines.md). */
export function registerDownloads(app: App, { packages, proxies, publicUrl }: DownloadRoutesDeps): void {
  app.get(
    "/download",
    {
      schema: {
        summary: "How to install the command line and the SDK",
        description: "A page for people.",
        tags,
        response: { 200: Type.String(), ...refusals },
      },
    },
    async ({ raw }, reply) => {
      const { html, headers } = downloadPage(originOf(raw, proxies) ?? publicUrl);
      return await reply.headers(headers).send(html);
    },
  );
  for (const name of ["cli", "sdk"] as const)
    app.get(
      `/download/${packageNames[name]}`,
      {
        schema: {
          summary: summaries[name],
          description: `A package for npm: \`npm install\` takes its address.`,
          tags,
          response: { 200: Type.Unknown(), ...refusals },
        },
      },
      async ({ headers }, reply) => {
        const { bytes, tag } = await packages.get(name);
        // Kept copies are asked about each time: a server that was updated serves another package at the same address.
        void reply.headers({ etag: tag, "cache-control": "no-cache" });
        if (isListed(headers["if-none-match"], tag)) return await reply.status(304).send();
        return await reply.type("application/gzip").send(bytes);
      },
    );
}

function isListed(header: string | undefined, tag: string): boolean {
  return (header ?? "").split(",").some((one) => ["*", tag].includes(one.trim().replace(/^W\//, "")));
}

/** The address by which the client reached the server; undefined when what it said is not one. */
function originOf(request: IncomingMessage, proxies: TrustedProxies): string | undefined {
  const authority = request.headers[":authority"];
  const own = typeof authority === "string" ? authority : request.headers.host;
  const address = `${proxies.protocolOf(request)}://${proxies.forwardedHost(request) ?? own ?? ""}`;
  const parsed = URL.parse(address);
  return parsed !== null && `${parsed.origin}/` === parsed.href ? parsed.origin : undefined;
}
