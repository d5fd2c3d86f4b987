import { Type } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { timestamp } from "../http/timestamp.ts";
import { refusals } from "../http/schemas.ts";
import type { UsageService } from "./usage.ts";

const MIB = 2 ** 20;
const statsRanges = ["5m", "1h", "6h", "24h", "30d"] as const;

const Stats = Type.Object({
  range: Type.String(),
  current: Type.Object({
    running_count: Type.Integer(),
    vcpus_reserved: Type.Integer(),
    memory_mb_reserved: Type.Integer(),
    storage_mb: Type.Integer({ description: "What capsules and templates occupy on hosts" }),
    checkpoints: Type.Integer(),
  }),
  peaks: Type.Object({ running_count: Type.Integer(), vcpus: Type.Integer(), memory_mb: Type.Integer() }),
  series: Type.Object({
    labels: Type.Array(Type.String()),
    running: Type.Array(Type.Integer()),
    vcpus: Type.Array(Type.Integer()),
    memory_mb: Type.Array(Type.Integer()),
  }),
});

const Usage = Type.Object({
  from: Type.String(),
  to: Type.String(),
  points: Type.Array(
    Type.Object({ date: Type.String(), cpu_minutes: Type.Number(), ram_mb_minutes: Type.Number() }),
  ),
});

export interface UsageRoutesDeps {
  readonly usage: UsageService;
}

/** Current and past use of a team (docs/reference/rest-api.md#use-and-metrics). */
export function registerUsage(app: App, { usage }: UsageRoutesDeps): void {
  app.get(
    "/v1/capsules/stats",
    {
      schema: {
        summary: "Running capsules and reserved resources, now and over time",
        tags: ["capsules"],
        querystring: Type.Object({
          range: Type.Optional(Type.Union(statsRanges.map((range) => Type.Literal(range)))),
        }),
        response: { 200: Stats, ...refusals },
      },
    },
    async (request) => {
      const { range = "1h" } = request.query;
      const { now, stored, peaks, series } = await usage.stats(teamOf(request), range);
      return {
        range,
        current: {
          running_count: now.running,
          vcpus_reserved: now.vcpus,
          memory_mb_reserved: now.memoryMib,
          storage_mb: Math.ceil(stored.storageBytes / MIB),
          checkpoints: stored.checkpoints,
        },
        peaks: { running_count: peaks.running, vcpus: peaks.vcpus, memory_mb: peaks.memoryMib },
        series: {
          labels: series.map(({ at }) => timestamp(at)),
          running: series.map(({ running }) => running),
          vcpus: series.map(({ vcpus }) => vcpus),
          memory_mb: series.map(({ memoryMib }) => memoryMib),
        },
      };
    },
  );

  app.get(
    "/v1/capsules/usage",
    {
      schema: {
        summary: "CPU and memory minutes by day (UTC)",
        tags: ["capsules"],
        querystring: Type.Object({
          from: Type.Optional(Type.String()),
          to: Type.Optional(Type.String()),
        }),
        response: { 200: Usage, ...refusals },
      },
    },
    async (request) => {
      const { from, to, days } = await usage.usage(teamOf(request), request.query);
      return {
        from,
        to,
        points: days.map(({ day, cpuMinutes, ramMbMinutes }) => ({
          date: day,
          cpu_minutes: cpuMinutes,
          ram_mb_minutes: ramMbMinutes,
        })),
      };
    },
  );
}
