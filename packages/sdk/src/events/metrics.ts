import type { CallOptions } from "../transport/call-options.ts";
import type { HttpClient } from "../transport/http.ts";
import { present, requireKnownOptions, secondsOf } from "../transport/options.ts";
import type { WireObject } from "../wire/api-types.ts";
import { followStream } from "./follow-stream.ts";

/** How far back metrics go. */
export type MetricsRange = "5m" | "10m" | "1h" | "2h" | "6h" | "12h" | "24h";

/** How busy a capsule was. */
export interface MetricsPoint {
  readonly at: Date;
  /** Of all virtual CPUs together, 0 to 100. */
  readonly cpuPercent: number;
  readonly cpuCount?: number;
  /** Used in the guest. */
  readonly memoryBytes: number;
  readonly memoryTotalBytes?: number;
  /** Occupied on the host by what the capsule has written. */
  readonly diskBytes: number;
  /** Used in the root file system of the guest. */
  readonly diskUsedBytes?: number;
  readonly diskTotalBytes?: number;
  /** Received by the network interface since the point before. */
  readonly networkInBytes?: number;
  /** Sent since the point before. */
  readonly networkOutBytes?: number;
}

/** How fine metrics are. */
export interface MetricsOptions extends CallOptions {
  /** Milliseconds of a point, in whole seconds. Default: by the range, 3 s for `5m`; of a stream, a second. */
  readonly stepMs?: number | undefined;
}

export async function readMetrics(
  http: HttpClient,
  id: string,
  range: MetricsRange,
  options: MetricsOptions,
): Promise<readonly MetricsPoint[]> {
  const query = { range, step: stepOf("Capsule.metrics", options) };
  const { points } = await http.json<WireObject<"CapsuleMetrics">>("GET", `/v1/capsules/${id}/metrics`, {
    query,
    signal: options.signal,
  });
  return points.map(pointOf);
}

/** Points as they are measured, until the capsule has ended. */
export function followMetrics(
  http: HttpClient,
  id: string,
  hasEnded: (signal: AbortSignal | undefined) => Promise<boolean>,
  options: MetricsOptions,
): AsyncIterable<MetricsPoint> {
  const query = { step: stepOf("Capsule.metricsStream", options) };
  return {
    [Symbol.asyncIterator]: () =>
      followStream(http, {
        what: `the metrics of capsule ${id}`,
        path: `/v1/capsules/${id}/metrics/stream`,
        query,
        itemOf: (data) => pointOf(JSON.parse(data) as WireObject<"MetricsPoint">),
        isOver: hasEnded,
        signal: options.signal,
      }),
  };
}

function stepOf(call: string, options: MetricsOptions): number | undefined {
  requireKnownOptions(call, options, ["stepMs", "signal"]);
  return options.stepMs === undefined ? undefined : secondsOf(call, "stepMs", options.stepMs);
}

function pointOf(wire: WireObject<"MetricsPoint">): MetricsPoint {
  return Object.freeze({
    at: new Date(wire.timestamp_unix * 1000),
    cpuPercent: wire.cpu_pct,
    memoryBytes: wire.mem_bytes,
    diskBytes: wire.disk_bytes,
    ...present({
      cpuCount: wire.cpu_count,
      memoryTotalBytes: wire.mem_total_bytes,
      diskUsedBytes: wire.disk_used_bytes,
      diskTotalBytes: wire.disk_total_bytes,
      networkInBytes: wire.net_in_bytes,
      networkOutBytes: wire.net_out_bytes,
    }),
  });
}
