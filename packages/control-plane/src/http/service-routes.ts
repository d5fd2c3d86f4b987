import { withDeadline, WrennError } from "@wrenn/core";
import { pingDatabase } from "@wrenn/database";
import { Type } from "typebox";
import type { App } from "./app.ts";
import { refusals } from "./schemas.ts";
import type { Database } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";

const READY_MS = 2000;

/** The hosts that this control plane is connected to. */
interface ConnectedHosts {
  ids(): readonly string[];
  agent(id: string): Pick<HostAgent, "listCapsules">;
}

export interface ServiceRoutesDeps {
  readonly version: string;
  readonly database: Database;
  readonly hosts: ConnectedHosts;
}

/** Routes about the server itself; no credentials. */
export function registerServiceRoutes(app: App, { version, database, hosts }: ServiceRoutesDeps): void {
  app.get(
    "/health",
    {
      schema: {
        summary: "Whether the server is up",
        tags: ["service"],
        response: { 200: Type.Object({ status: Type.Literal("ok"), version: Type.String() }) },
      },
    },
    async () => ({ status: "ok" as const, version }),
  );

  app.get(
    "/ready",
    {
      schema: {
        summary: "Whether the server can work",
        description: "503 with the part that does not answer: the database, or the host.",
        tags: ["service"],
        response: { 200: Type.Object({ status: Type.Literal("ready") }), ...refusals },
      },
    },
    async () => {
      await answering("database", async () => await pingDatabase(database.db));
      // One that answers is enough: the others are the hosts' list's affair.
      await answering(
        "host",
        async (signal) =>
          await Promise.any(hosts.ids().map(async (id) => await hosts.agent(id).listCapsules(signal))),
      );
      return { status: "ready" as const };
    },
  );
}

// Whoever asks has no credentials: the cause is for the log.
async function answering(part: string, ask: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  try {
    await withDeadline(part, READY_MS, undefined, ask);
  } catch (error) {
    throw new WrennError("not_ready", { part }, { cause: error });
  }
}
