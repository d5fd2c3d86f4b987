import type { MetricPoint, MetricRange } from "@wrenn/protocol";

interface Tier {
  readonly stepMs: number;
  readonly size: number;
}

/** Fine for the last ten minutes, coarser for longer: 10 min of 5 s, 2 h of 30 s, 24 h of 5 min (docs/reference/hosts.md#metrics). */
const tiers: readonly Tier[] = [
  { stepMs: 5_000, size: 120 },
  { stepMs: 30_000, size: 240 },
  { stepMs: 300_000, size: 288 },
];

const ranges: Readonly<Record<MetricRange, { readonly tier: number; readonly seconds: number }>> = {
  "5m": { tier: 0, seconds: 300 },
  "10m": { tier: 0, seconds: 600 },
  "1h": { tier: 1, seconds: 3600 },
  "2h": { tier: 1, seconds: 7200 },
  "6h": { tier: 2, seconds: 21_600 },
  "12h": { tier: 2, seconds: 43_200 },
  "24h": { tier: 2, seconds: 86_400 },
};

/** The measurements of one capsule, in three resolutions of bounded size. */
export class MetricTiers {
  readonly #points: readonly MetricPoint[][] = tiers.map(() => []);
  readonly #pending: readonly MetricPoint[][] = tiers.map(() => []);

  /** Adds a measurement; coarser tiers get the mean of theirs, stamped with the last. */
  add(point: MetricPoint): void {
    for (const [index, { stepMs, size }] of tiers.entries()) {
      const pending = this.#pending[index] ?? [];
      const points = this.#points[index] ?? [];
      const [first] = pending;
      pending.push(point);
      const elapsed = (point.timestamp - (first?.timestamp ?? point.timestamp)) * 1000;
      if (index > 0 && elapsed + (tiers[0]?.stepMs ?? 0) < stepMs) continue;
      points.push(mean(pending));
      pending.length = 0;
      if (points.length > size) points.shift();
    }
  }

  /** The points of a range that ends at `now` (Unix seconds), oldest first. */
  read(range: MetricRange, now: number): readonly MetricPoint[] {
    const { tier, seconds } = ranges[range];
    return (this.#points[tier] ?? []).filter(({ timestamp }) => timestamp > now - seconds);
  }
}

function mean(points: readonly MetricPoint[]): MetricPoint {
  const average = (value: (point: MetricPoint) => number): number =>
    points.reduce((sum, point) => sum + value(point), 0) / points.length;
  return {
    timestamp: points.at(-1)?.timestamp ?? 0,
    cpuPercent: average(({ cpuPercent }) => cpuPercent),
    memoryBytes: Math.round(average(({ memoryBytes }) => memoryBytes)),
    diskBytes: Math.round(average(({ diskBytes }) => diskBytes)),
  };
}
