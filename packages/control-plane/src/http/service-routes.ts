import { withDeadline, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { pingDatabase } from "@wrenn/database";
import { Type } from "typebox";
import type { App } from "./app.ts";
import type { RequestLimits } from "./request-limits.ts";
import { refusals } from "./schemas.ts";
import type { Database } from "@wrenn/database";
import type { HostAgent } from "@wrenn/protocol";

const READY_MS = 2000;
/** A check counts this long, so that callers cost no check each. */
const FRESH_MS = 1000;

/** The hosts that this control plane is connected to. */
interface ConnectedHosts {
  ids(): readonly string[];
  agent(id: string): Pick<HostAgent, "listCapsules">;
}

export interface ServiceRoutesDeps {
  readonly version: string;
  readonly database: Database;
  readonly hosts: ConnectedHosts;
  readonly limits: RequestLimits;
  readonly clock: Clock;
}

/** Routes about the server itself; no credentials. */
export function registerServiceRoutes(app: App, deps: ServiceRoutesDeps): void {
  const { version, database, hosts, limits, clock } = deps;
  const requireReady = sharedCheck(clock, async () => {
    await answering("database", async () => await pingDatabase(database.db));
    // One that answers is enough: the others are the hosts' list's affair.
    await answering(
      "host",
      async (signal) =>
        await Promise.any(hosts.ids().map(async (id) => await hosts.agent(id).listCapsules(signal))),
    );
  });
  app.get(
    "/health",
    {
      onRequest: async (request) => limits.probe(request.ip),
      schema: {
        summary: "Whether the server is up",
        tags: ["service"],
        response: { 200: Type.Object({ status: Type.Literal("ok"), version: Type.String() }), ...refusals },
      },
    },
    async () => ({ status: "ok" as const, version }),
  );

  app.get(
    "/ready",
    {
      onRequest: async (request) => limits.probe(request.ip),
      schema: {
        summary: "Whether the server can work",
        description: "503 with the part that does not answer: the database, or the host.",
        tags: ["service"],
        response: { 200: Type.Object({ status: Type.Literal("ready") }), ...refusals },
      },
    },
    async () => {
      await requireReady();
      return { status: "ready" as const };
    },
  );
}

/** A check whose outcome counts for callers of the next second; at most one runs at a time. */
function sharedCheck(clock: Clock, check: () => Promise<void>): () => Promise<void> {
  let latest: { readonly outcome: Promise<void>; freshUntil: number } | undefined;
  return async () => {
    if (!latest || latest.freshUntil <= clock.monotonic()) {
      const started = { outcome: check(), freshUntil: Infinity };
      latest = started;
      const settled = (): void => {
        started.freshUntil = clock.monotonic() + FRESH_MS;
      };
      started.outcome.then(settled, settled);
    }
    await latest.outcome;
  };
}

// Whoever asks has no credentials: the cause is for the log.
async function answering(part: string, ask: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  try {
    await withDeadline(part, READY_MS, undefined, ask);
  } catch (error) {
    throw new WrennError("not_ready", { part }, { cause: error });
  }
}
