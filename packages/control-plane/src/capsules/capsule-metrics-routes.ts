import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

const CALL_MS = 5 * 60_000;
const metricRanges = ["5m", "10m", "1h", "2h", "6h", "12h", "24h"] as const;

const Metrics = Type.Object({
  sandbox_id: Type.String(),
  range: Type.String(),
  points: Type.Array(
    Type.Object({
      timestamp_unix: Type.Integer(),
      cpu_pct: Type.Number({ description: "Of all virtual CPUs together, 0 to 100" }),
      mem_bytes: Type.Integer({ description: "Used in the guest" }),
      disk_bytes: Type.Integer({ description: "Occupied by what the capsule has written" }),
    }),
  ),
});

export interface CapsuleMetricsRoutesDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
}

/** Metrics of capsules (docs/reference/rest-api.md#use-and-metrics). */
export function registerCapsuleMetricsRoutes(
  app: App,
  { rows, fleet }: CapsuleMetricsRoutesDeps,
  base: string,
): void {
  app.get(
    `${base}/:id/metrics`,
    {
      schema: {
        tags: ["capsules"],
        params: CapsuleParams,
        summary: "How busy a capsule was",
        querystring: Type.Object({
          range: Type.Optional(Type.Union(metricRanges.map((range) => Type.Literal(range)))),
        }),
        response: { 200: Metrics, ...refusals },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { range = "10m" } = request.query;
      const row = await rows.get(teamOf(request), id);
      if (row.status !== "running" && row.status !== "paused")
        throw new WrennError("metrics_unavailable", { status: row.status });
      const points = await fleet.of(row).metrics(id, range, AbortSignal.timeout(CALL_MS));
      return {
        sandbox_id: id,
        range,
        points: points.map((point) => ({
          timestamp_unix: point.timestamp,
          cpu_pct: Math.round(point.cpuPercent * 100) / 100,
          mem_bytes: point.memoryBytes,
          disk_bytes: point.diskBytes,
        })),
      };
    },
  );
}
