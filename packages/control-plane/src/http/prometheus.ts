import { usageQueries } from "@wrenn/database";
import { hash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import type { TrustedProxies } from "@wrenn/core";
import { formatId, WrennError } from "@wrenn/core";
import { bearerToken } from "./identity.ts";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Metric } from "prom-client";
import type { App } from "./app.ts";
import type { RequestLimits } from "./request-limits.ts";
import type { Database } from "@wrenn/database";

const STATUSES = ["pending", "starting", "running", "paused", "hibernated", "missing"];
/** Seconds: from a cached read to the start of a machine. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** Counts machines that no one uses at present, and the memory that only they hold. */
export type IdleMachinesReader = () => Promise<{ readonly count: number; readonly memoryBytes: number }>;

/** Counts that another part of the server keeps, read whenever metrics are asked for. */
export interface KeptCounter<Label extends string = string> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
  /** How many label values there can be is for the reader to limit. */
  readonly read: () => readonly (Readonly<Record<Label, string>> & { readonly count: number })[];
}

/** Adds counts to the metrics of the server. */
export type AddCounter = <Label extends string>(counter: KeptCounter<Label>) => void;

export interface PrometheusDeps {
  readonly database: Database;
  readonly version: string;
  readonly limits: RequestLimits;
  /** What parts of the server measure themselves. */
  readonly metrics: readonly Metric[];
  readonly proxies: TrustedProxies;
  /** Knows what waits on each host, by the host's id. */
  readonly fleet: { waiting(): ReadonlyMap<string, { readonly count: number }> };
  /** Machines of this server's own host that wait for capsules. */
  readonly waitingMachines?: IdleMachinesReader | undefined;
  /** Machines of this server's own host whose capsules are paused. */
  readonly parkedMachines?: IdleMachinesReader | undefined;
  /** Opens the metrics to collectors elsewhere; without it there are none. */
  readonly token: string | undefined;
}

/**
 * `/metrics` for Prometheus. It tells about all teams, so it is answered to programs of this machine, and to others by a token.
 *
 * @returns adds what parts of the server count that are made later.
 */
export function registerPrometheus(
  app: App,
  {
    database,
    version,
    fleet,
    limits,
    metrics,
    proxies,
    waitingMachines,
    parkedMachines,
    token,
  }: PrometheusDeps,
): AddCounter {
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
  const notAnswering = new Gauge({
    name: "wrenn_capsules_not_answering",
    help: "Running capsules whose guest agent does not answer",
    registers: [registry],
  });
  const idle = [
    gaugesOf(registry, waitingMachines, {
      name: "wrenn_waiting_machines",
      help: "Machines of this host that wait for capsules",
      memory: "Memory of this host that waiting machines hold for themselves",
    }),
    gaugesOf(registry, parkedMachines, {
      name: "wrenn_parked_machines",
      help: "Machines of this host that are kept for their paused capsules",
      memory: "Memory of this host that parked machines hold until it is needed",
    }),
  ];
  const waitingOnHosts = new Gauge({
    name: "wrenn_host_waiting_machines",
    help: "Machines that wait for capsules, by host, as each reported it last",
    labelNames: ["host"],
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
  for (const metric of metrics) registry.registerMetric(metric);
  app.addHook("onResponse", async (request, reply) => {
    // The route and not the path: ids would make a series each.
    const route = request.routeOptions.url ?? "none";
    requests.labels(request.method, route, String(reply.statusCode)).inc();
    seconds.labels(request.method, route).observe(reply.elapsedTime / 1000);
  });
  const schema = {
    summary: "Metrics of the server for Prometheus",
    description:
      "For programs of this machine, and for others with the token of the configuration; 404 without.",
    tags: ["service"],
  };
  app.get("/metrics", { schema }, async (request, reply) => {
    const isLocal = proxies.isLocal(request.raw);
    if (!isLocal) await limits.requireAttempt(request.ip, request.headers);
    if (hasToken(request.headers, token)) limits.remember(request.headers);
    else if (!isLocal) {
      limits.anonymous(request.ip);
      throw new WrennError("route_not_found", { method: "GET", path: "/metrics" });
    }
    const counts = await usageQueries.countByStatus(database.db);
    for (const status of STATUSES) capsules.labels(status).set(counts.get(status) ?? 0);
    notAnswering.set(await usageQueries.countNotAnswering(database.db));
    for (const read of idle) await read();
    waitingOnHosts.reset();
    for (const [host, machines] of fleet.waiting())
      waitingOnHosts.labels(formatId("host", host)).set(machines.count);
    return await reply.type(registry.contentType).send(await registry.metrics());
  });
  return ({ name, help, labels, read }) => {
    const counter = new Counter({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      collect: () => {
        counter.reset();
        for (const one of read()) counter.labels(...labels.map((label): string => one[label])).inc(one.count);
      },
    });
  };
}

/** @returns what reads the machines into their two gauges; without a host of the server's own there are none. */
function gaugesOf(
  registry: Registry,
  read: IdleMachinesReader | undefined,
  { name, help, memory }: { readonly name: string; readonly help: string; readonly memory: string },
): () => Promise<void> {
  if (!read) return async () => {};
  const machines = new Gauge({ name, help, registers: [registry] });
  const bytes = new Gauge({ name: `${name}_bytes`, help: memory, registers: [registry] });
  return async () => {
    const { count, memoryBytes } = await read();
    machines.set(count);
    bytes.set(memoryBytes);
  };
}

function hasToken(headers: IncomingHttpHeaders, token: string | undefined): boolean {
  const shown = bearerToken(headers);
  if (token === undefined || shown === undefined) return false;
  return timingSafeEqual(hash("sha256", shown, "buffer"), hash("sha256", token, "buffer"));
}
