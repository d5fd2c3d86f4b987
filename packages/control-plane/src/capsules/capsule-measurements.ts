import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { Measurement, MetricPoint, MetricRange } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import type { CapsuleRows } from "./capsule-rows.ts";

const CALL_MS = 30_000;
/** A measurement is there this long after its second at the latest, in a capsule that is watched. */
const LATE_MS = 1500;
/** A stream without measurements, of a paused capsule for instance, looks this often whether its capsule still exists. */
const LOOK_MS = 5000;
/** How far back a stream begins whose client continues. */
const KEPT_SEC = 300;

/** The seconds of each range, its step, and the finest step that a host keeps for so long. */
export const metricRanges: Readonly<
  Record<MetricRange, { readonly seconds: number; readonly step: number; readonly finest: number }>
> = {
  "5m": { seconds: 300, step: 5, finest: 1 },
  "10m": { seconds: 600, step: 5, finest: 5 },
  "1h": { seconds: 3600, step: 30, finest: 30 },
  "2h": { seconds: 7200, step: 30, finest: 30 },
  "6h": { seconds: 21_600, step: 300, finest: 300 },
  "12h": { seconds: 43_200, step: 300, finest: 300 },
  "24h": { seconds: 86_400, step: 300, finest: 300 },
};

/** A measurement; what a host of an earlier version does not measure is absent. */
export type MeasuredPoint = MetricPoint & Partial<Measurement>;

export interface CapsuleMeasurementsDeps {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
  readonly clock: Clock;
}

/** How busy capsules are: what their hosts measured, and what they measure now. */
export class CapsuleMeasurements {
  readonly #deps: CapsuleMeasurementsDeps;

  constructor(deps: CapsuleMeasurementsDeps) {
    this.#deps = deps;
  }

  /**
   * What was measured in a range, oldest first.
   *
   * @throws WrennError `metrics_unavailable`; `invalid_field` for a step that is finer than what is kept.
   */
  async history(
    teamId: string,
    publicId: string,
    range: MetricRange,
    step: number | undefined,
  ): Promise<readonly MeasuredPoint[]> {
    const { rows, fleet, clock } = this.#deps;
    const { seconds, finest, step: usual } = metricRanges[range];
    if (step !== undefined && step < finest)
      throw new WrennError("invalid_field", {
        field: "step",
        problem: `must be at least ${finest} for the range ${range}`,
      });
    const row = requireMeasured(await rows.get(teamId, publicId));
    const agent = fleet.of(row);
    const signal = AbortSignal.timeout(CALL_MS);
    const query = { after: Math.floor(clock.now() / 1000) - seconds, step: step ?? usual, watch: false };
    try {
      return await agent.measurements(publicId, query, signal);
    } catch (error) {
      // A host of an earlier version has the usual steps only.
      if (!WrennError.is(error, "route_not_found")) throw error;
      if (step !== undefined) throw new WrennError("host_outdated", { what: "metrics in other steps" });
      return await agent.metrics(publicId, range, signal);
    }
  }

  /** @throws WrennError `metrics_unavailable`, `capsule_not_found`. */
  async requireFollowed(teamId: string, publicId: string): Promise<void> {
    const row = await this.#deps.rows.get(teamId, publicId);
    if (!isFollowed(row)) throw new WrennError("metrics_unavailable", { status: row.status });
  }

  /**
   * Each step of `step` seconds once it is over, for as long as the capsule exists; undefined now and then while there is nothing.
   *
   * @param after - Unix seconds: continues behind this measurement, as far as it is kept.
   */
  async *follow(
    teamId: string,
    publicId: string,
    { step, after }: { readonly step: number; readonly after: number | undefined },
    signal: AbortSignal,
  ): AsyncGenerator<MeasuredPoint | undefined> {
    const { rows, fleet, clock } = this.#deps;
    let quiet = 0;
    let cursor = Math.max(after ?? this.#seconds(), this.#seconds() - KEPT_SEC);
    for (;;) {
      signal.throwIfAborted();
      const row = await rows.get(teamId, publicId);
      if (!isFollowed(row)) return;
      const points = await fleet
        .of(row)
        .measurements(publicId, { after: cursor, step, watch: true }, AbortSignal.timeout(CALL_MS))
        .catch((error: unknown) => {
          // The host comes back, or its capsules are taken for missing.
          if (WrennError.is(error, "host_unavailable") || WrennError.is(error, "capsule_not_found"))
            return [];
          if (WrennError.is(error, "route_not_found"))
            throw new WrennError("host_outdated", { what: "streams of metrics" });
          throw error;
        });
      const over = (clock.now() - LATE_MS) / 1000 / step;
      for (const point of points) {
        if (Math.floor(point.timestamp / step) + 1 > over) break;
        cursor = point.timestamp;
        quiet = 0;
        yield point;
      }
      const wait = row.status === "running" ? Math.min(step * 1000, LOOK_MS) : LOOK_MS;
      await clock.sleep(wait, signal);
      quiet += wait;
      if (quiet < LOOK_MS) continue;
      quiet = 0;
      yield undefined;
    }
  }

  #seconds(): number {
    return Math.floor(this.#deps.clock.now() / 1000);
  }
}

function requireMeasured(row: CapsuleRow): CapsuleRow {
  if (row.status !== "running" && row.status !== "paused")
    throw new WrennError("metrics_unavailable", { status: row.status });
  return row;
}

/** The host of a missing capsule may come back: who follows it waits. */
function isFollowed({ status }: CapsuleRow): boolean {
  return status === "running" || status === "paused" || status === "missing";
}
