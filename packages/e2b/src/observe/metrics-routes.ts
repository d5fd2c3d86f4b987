import { metricRanges, teamOf } from "@wrenn/control-plane";
import type { App, SharedServices } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { MetricRange } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";
import { errors } from "../api/error-body.ts";
import type { OwnSandbox, OwnSandboxes } from "../sandboxes/own-sandboxes.ts";
import { SandboxParams } from "../sandboxes/sandbox-routes.ts";

const MAX_SANDBOXES = 100;
const MIB = 2 ** 20;
/** From the shortest on. */
const ranges: readonly MetricRange[] = ["5m", "1h", "6h", "24h"];

const Metric = Type.Object({
  timestamp: Type.String(),
  timestampUnix: Type.Integer(),
  cpuCount: Type.Integer(),
  cpuUsedPct: Type.Number(),
  memUsed: Type.Integer(),
  memTotal: Type.Integer(),
  memCache: Type.Integer(),
  diskUsed: Type.Integer(),
  diskTotal: Type.Integer(),
});
type Metric = Static<typeof Metric>;

export interface MetricsRoutesDeps {
  readonly services: Pick<SharedServices, "capsules">;
  readonly sandboxes: OwnSandboxes;
  readonly clock: Clock;
}

/** What sandboxes use of CPU, memory and disk. */
export function registerMetrics(app: App, { services, sandboxes, clock }: MetricsRoutesDeps): void {
  const { measurements } = services.capsules;
  const read = async ({ row, capsuleId }: OwnSandbox, range: MetricRange): Promise<readonly Metric[]> => {
    try {
      const points = await measurements.history(row.team_id, capsuleId, range, undefined);
      return points.map((point) => ({
        timestamp: new Date(point.timestamp * 1000).toISOString(),
        timestampUnix: point.timestamp,
        cpuCount: point.cpuCount ?? row.vcpus,
        cpuUsedPct: point.cpuPercent,
        memUsed: point.memoryBytes,
        memTotal: point.memoryTotalBytes ?? row.memory_mb * MIB,
        // Guests that run since an earlier release do not say.
        memCache: point.memoryCachedBytes ?? 0,
        diskUsed: point.diskUsedBytes ?? point.diskBytes,
        diskTotal: point.diskTotalBytes ?? row.disk_mb * MIB,
      }));
    } catch (error) {
      // It is still being made.
      if (WrennError.is(error, "metrics_unavailable")) return [];
      throw error;
    }
  };

  app.get(
    "/sandboxes/:sandboxID/metrics",
    {
      config: { waitsForHost: true },
      schema: {
        params: SandboxParams,
        querystring: Type.Object({
          start: Type.Optional(Type.Integer({ minimum: 0 })),
          end: Type.Optional(Type.Integer({ minimum: 0 })),
        }),
        response: { 200: Type.Array(Metric), ...errors },
      },
    },
    async (request) => {
      const sandbox = await sandboxes.get(teamOf(request), request.params.sandboxID);
      const now = clock.now() / 1000;
      const { start = Math.floor(sandbox.row.created_at.getTime() / 1000), end = Math.ceil(now) } =
        request.query;
      const range = ranges.find((one) => metricRanges[one].seconds >= now - start) ?? "24h";
      const points = await read(sandbox, range);
      return points.filter(({ timestampUnix: at }) => at >= start && at <= end);
    },
  );

  app.get(
    "/sandboxes/metrics",
    {
      config: { waitsForHost: true },
      schema: {
        querystring: Type.Object({ sandbox_ids: Type.String({ maxLength: 8192 }) }),
        response: { 200: Type.Object({ sandboxes: Type.Record(Type.String(), Metric) }), ...errors },
      },
    },
    async (request) => {
      const ids = [...new Set(request.query.sandbox_ids.split(",").filter((id) => id !== ""))];
      if (ids.length > MAX_SANDBOXES)
        throw new WrennError("invalid_field", {
          field: "sandbox_ids",
          problem: `must be at most ${MAX_SANDBOXES}`,
        });
      const found: [string, Metric][] = [];
      for (const id of ids) {
        const sandbox = await sandboxes.get(teamOf(request), id).catch((error: unknown) => {
          if (WrennError.is(error, "capsule_not_found")) return undefined;
          throw error;
        });
        const last = sandbox && (await read(sandbox, "5m")).at(-1);
        if (last) found.push([id, last]);
      }
      return { sandboxes: Object.fromEntries(found) };
    },
  );
}
