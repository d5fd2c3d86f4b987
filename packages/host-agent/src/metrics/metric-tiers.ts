import type { Measurement, MetricPoint, MetricRange } from "@wrenn/protocol";
import { MeasurementMean } from "./measurement-mean.ts";
import { MeasurementRing } from "./measurement-ring.ts";

interface Tier {
  readonly stepSec: number;
  readonly size: number;
}

/** Fine for the last minutes, coarser for longer: 5 min of 1 s, 10 min of 5 s, 2 h of 30 s, 24 h of 5 min (docs/reference/hosts.md#metrics). */
const tiers: readonly Tier[] = [
  { stepSec: 1, size: 300 },
  { stepSec: 5, size: 120 },
  { stepSec: 30, size: 240 },
  { stepSec: 300, size: 288 },
];

const ranges: Readonly<Record<MetricRange, { readonly tier: number; readonly seconds: number }>> = {
  "5m": { tier: 1, seconds: 300 },
  "10m": { tier: 1, seconds: 600 },
  "1h": { tier: 2, seconds: 3600 },
  "2h": { tier: 2, seconds: 7200 },
  "6h": { tier: 3, seconds: 21_600 },
  "12h": { tier: 3, seconds: 43_200 },
  "24h": { tier: 3, seconds: 86_400 },
};

/** The measurements of one capsule, in four resolutions of bounded size. */
export class MetricTiers {
  readonly #tiers = tiers.map(({ stepSec, size }) => ({
    stepSec,
    ring: new MeasurementRing(size),
    /** What its next point is made of. */
    pending: new MeasurementMean(),
  }));

  /** Adds a measurement; a point of a tier is the mean of its step, stamped with the last. */
  add(point: Measurement): void {
    for (const { stepSec, ring, pending } of this.#tiers) {
      const elapsed = pending.since === undefined ? 0 : point.timestamp - pending.since;
      const complete = elapsed < 0 || elapsed >= stepSec ? pending.take() : undefined;
      if (complete) ring.push(complete);
      pending.add(point);
    }
  }

  /** The points of a range that ends at `now` (Unix seconds), oldest first. */
  read(range: MetricRange, now: number): readonly MetricPoint[] {
    const { tier, seconds } = ranges[range];
    return this.#points(tier, now - seconds).map(({ timestamp, cpuPercent, memoryBytes, diskBytes }) => ({
      timestamp,
      cpuPercent,
      memoryBytes,
      diskBytes,
    }));
  }

  /** Measurements after a moment (Unix seconds) in steps of `step` seconds, from the finest tier that goes back so far. */
  readSteps(after: number, step: number, now: number): readonly Measurement[] {
    const fine = tiers.findIndex(({ stepSec, size }) => stepSec * size >= now - after);
    const combined: Measurement[] = [];
    const pending = new MeasurementMean();
    const finish = (): void => {
      const complete = pending.take();
      if (complete) combined.push(complete);
    };
    for (const point of this.#points(fine < 0 ? tiers.length - 1 : fine, after)) {
      // Steps begin at multiples of their length, so that another question gives the same ones.
      const isSameStep = Math.floor(point.timestamp / step) === Math.floor((pending.since ?? -1) / step);
      if (!isSameStep) finish();
      pending.add(point);
    }
    finish();
    return combined;
  }

  /** The one that is not complete yet included. */
  #points(index: number, after: number): readonly Measurement[] {
    const tier = this.#tiers[index];
    const points = tier?.ring.after(after) ?? [];
    const last = tier?.pending.look();
    return last && last.timestamp > after ? [...points, last] : points;
  }
}
