import { defined, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import type { Static } from "typebox";
import { teamOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import type { EventStreams } from "../http/event-stream.ts";
import { CapsuleParams, refusals } from "../http/schemas.ts";
import { CAPSULES } from "./capsule-api.ts";
import { metricRanges } from "./capsule-measurements.ts";
import type { CapsuleMeasurements, MeasuredPoint } from "./capsule-measurements.ts";

const MAX_STEP_SEC = 300;
const MAX_STREAM_STEP_SEC = 60;
const ID = /^\d{1,12}$/;

const Point = Type.Object({
  timestamp_unix: Type.Integer(),
  cpu_pct: Type.Number({ description: "Of all virtual CPUs together, 0 to 100" }),
  mem_bytes: Type.Integer({ description: "Used in the guest" }),
  disk_bytes: Type.Integer({ description: "Occupied by what the capsule has written" }),
  cpu_count: Type.Optional(Type.Integer({ description: "Virtual CPUs" })),
  mem_total_bytes: Type.Optional(Type.Integer({ description: "Memory of the guest" })),
  disk_used_bytes: Type.Optional(Type.Integer({ description: "Used in the root file system of the guest" })),
  disk_total_bytes: Type.Optional(Type.Integer({ description: "Size of that file system" })),
  net_in_bytes: Type.Optional(
    Type.Integer({ description: "Received by the network interface since the point before" }),
  ),
  net_out_bytes: Type.Optional(
    Type.Integer({ description: "Sent by the network interface since the point before" }),
  ),
});

const Metrics = Type.Object({
  sandbox_id: Type.String(),
  range: Type.String(),
  points: Type.Array(Point),
});

const Range = Type.Enum(["5m", "10m", "1h", "2h", "6h", "12h", "24h"]);

export interface CapsuleMetricsRoutesDeps {
  readonly measurements: CapsuleMeasurements;
}

/** Metrics of capsules (docs/reference/rest-api.md#use-and-metrics). */
export function registerCapsuleMetricsRoutes(
  app: App,
  { measurements }: CapsuleMetricsRoutesDeps,
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
          range: Type.Optional(Range),
          step: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: MAX_STEP_SEC,
              description: `Seconds of a point. Default and smallest: ${stepsInWords()}.`,
            }),
          ),
        }),
        response: { 200: Metrics, ...refusals },
      },
    },
    async (request) => {
      const { id } = request.params;
      const { range = "10m", step } = request.query;
      const points = await measurements.history(teamOf(request), id, range, step);
      return { sandbox_id: id, range, points: points.map(pointJson) };
    },
  );
}

export interface CapsuleMetricsStreamDeps extends CapsuleMetricsRoutesDeps {
  readonly streams: EventStreams;
}

/** Metrics as they are measured; our addition to the contract. */
export function registerCapsuleMetricsStream(
  app: App,
  { measurements, streams }: CapsuleMetricsStreamDeps,
): void {
  app.get(
    `${CAPSULES}/:id/metrics/stream`,
    {
      // The answer to HEAD would not end.
      exposeHeadRoute: false,
      schema: {
        tags: ["capsules"],
        params: CapsuleParams,
        summary: "How busy a capsule is, as it is measured",
        description:
          "Server-sent events `metrics`: `data` is a point as in `GET …/metrics`, `id` its time. Each step is sent once it is over. A client that reconnects with `Last-Event-ID` receives what it missed of the last five minutes. A paused capsule sends nothing until it runs again; a comment is sent at least every 10 s. The stream ends with the capsule, or when the caller loses access. While it is open the capsule is measured each second.",
        querystring: Type.Object({
          step: Type.Optional(
            Type.Integer({
              minimum: 1,
              maximum: MAX_STREAM_STEP_SEC,
              description: "Seconds of a point; default: 1",
            }),
          ),
        }),
        response: { 200: Type.Unknown(), ...refusals },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { step = 1 } = request.query;
      const team = teamOf(request);
      const last = request.headers["last-event-id"];
      if (typeof last === "string" && !ID.test(last))
        throw new WrennError("invalid_field", {
          field: "Last-Event-ID",
          problem: "must be the id of a point",
        });
      using place = streams.take(team);
      void place;
      await measurements.requireFollowed(team, id);
      const after = typeof last === "string" ? Number(last) : undefined;
      await streams.send(request, reply, async function* send(signal) {
        for await (const point of measurements.follow(team, id, { step, after }, signal))
          yield point && { id: String(point.timestamp), event: "metrics", data: pointJson(point) };
      });
    },
  );
}

function pointJson(point: MeasuredPoint): Static<typeof Point> {
  return {
    timestamp_unix: point.timestamp,
    cpu_pct: Math.round(point.cpuPercent * 100) / 100,
    mem_bytes: point.memoryBytes,
    disk_bytes: point.diskBytes,
    ...defined({
      cpu_count: point.cpuCount,
      mem_total_bytes: point.memoryTotalBytes,
      disk_used_bytes: point.diskUsedBytes,
      disk_total_bytes: point.diskTotalBytes,
      net_in_bytes: point.networkInBytes,
      net_out_bytes: point.networkOutBytes,
    }),
  };
}

function stepsInWords(): string {
  return Object.entries(metricRanges)
    .map(([range, { step, finest }]) => `${range} ${step} and ${finest}`)
    .join(", ");
}
