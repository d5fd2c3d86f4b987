import { usageQueries } from "@wrenn/database";
import { TrustedProxies, WrennError } from "@wrenn/core";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { App } from "./app.ts";
import type { RequestLimits } from "./request-limits.ts";
import type { Database } from "@wrenn/database";

const STATUSES = ["pending", "starting", "running", "paused", "hibernated", "missing"];
/** Seconds: from a cached read to the start of a machine. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

export interface PrometheusDeps {
  readonly database: Database;
  readonly version: string;
  readonly limits: RequestLimits;
  readonly proxies?: TrustedProxies;
}

/**
 * `/metrics` for Prometheus. It needs no credentials and tells about all teams, so it is answered to this machine only; a
 * collector elsewhere goes through whatever proxy its operator trusts.
 */
export function registerPrometheus(
  app: App,
  { database, version, limits, proxies = TrustedProxies.none }: PrometheusDeps,
): void {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "wrenn_" });
  new Gauge({
    name: "wrenn_info",
    help: "Version of the server",
    labelNames: ["version"],
    registers: [registry],
  })
    .labels(version)
    .set(1);
  const capsules = new Gauge({
    name: "wrenn_capsules",
    help: "Capsules that have not ended, by status",
    labelNames: ["status"],
    registers: [registry],
  });
  const requests = new Counter({
    name: "wrenn_http_requests_total",
    help: "Requests answered, by method, route and status",
    labelNames: ["method", "route", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "wrenn_http_request_seconds",
    help: "Time until a request was answered",
    labelNames: ["method", "route"],
    buckets: BUCKETS,
    registers: [registry],
  });
  app.addHook("onResponse", async (request, reply) => {
    // The route and not the path: ids would make a series each.
    const route = request.routeOptions.url ?? "none";
    requests.labels(request.method, route, String(reply.statusCode)).inc();
    seconds.labels(request.method, route).observe(reply.elapsedTime / 1000);
  });
  app.get("/metrics", { schema: { hide: true } }, async (request, reply) => {
    if (!proxies.isLocal(request.raw)) {
      limits.anonymous(request.ip);
      throw new WrennError("route_not_found", { method: "GET", path: "/metrics" });
    }
    const counts = await usageQueries.countByStatus(database.db);
    for (const status of STATUSES) capsules.labels(status).set(counts.get(status) ?? 0);
    return await reply.type(registry.contentType).send(await registry.metrics());
  });
}
