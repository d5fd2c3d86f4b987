/** Figures of one row, in the row's unit. */
export interface Summary {
  readonly count: number;
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** @throws RangeError without samples. */
export function summarise(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError("no samples");
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    count: sorted.length,
    min: quantile(sorted, 0),
    p50: quantile(sorted, 0.5),
    p90: quantile(sorted, 0.9),
    p99: quantile(sorted, 0.99),
    max: quantile(sorted, 1),
  };
}

export type Interval = readonly [low: number, high: number];

/** The median of fewer lies outside of all of them too often for a confidence of 95 %: 2 × 0.5⁵ is 6 %. */
export const MIN_SAMPLES = 6;

/** What pairs of measurements say about the difference of the two. */
export interface PairedSummary {
  readonly wholeP50: number;
  readonly baseP50: number;
  /** The whole to the base, pair by pair. */
  readonly ratio: { readonly p50: number; readonly interval: Interval | undefined };
  readonly difference: {
    /** Quartiles of the differences of the pairs. Those of noisy pairs reach below zero. */
    readonly p25: number;
    readonly p50: number;
    readonly p75: number;
    /** Where the median is with a confidence of 95 %; undefined for fewer than {@link MIN_SAMPLES} pairs. */
    readonly interval: Interval | undefined;
  };
}

/** @throws RangeError without pairs. */
export function summarisePairs(
  pairs: readonly { readonly wholeMs: number; readonly baseMs: number }[],
): PairedSummary {
  const differences = pairs.map(({ wholeMs, baseMs }) => wholeMs - baseMs).sort((a, b) => a - b);
  const ratios = pairs.map(({ wholeMs, baseMs }) => wholeMs / baseMs).sort((a, b) => a - b);
  return {
    ratio: { p50: quantile(ratios, 0.5), interval: medianInterval(ratios) },
    wholeP50: summarise(pairs.map(({ wholeMs }) => wholeMs)).p50,
    baseP50: summarise(pairs.map(({ baseMs }) => baseMs)).p50,
    difference: {
      p25: quantile(differences, 0.25),
      p50: quantile(differences, 0.5),
      p75: quantile(differences, 0.75),
      interval: medianInterval(differences),
    },
  };
}

/**
 * Order statistics around the median, whatever the distribution (binomial, by its normal approximation).
 *
 * @param samples - in any order.
 * @returns where the median is with a confidence of 95 %; undefined for fewer than {@link MIN_SAMPLES} samples.
 */
export function medianInterval(samples: readonly number[]): Interval | undefined {
  const { length } = samples;
  if (length < MIN_SAMPLES) return undefined;
  const sorted = [...samples].sort((a, b) => a - b);
  const width = 1.96 * Math.sqrt(length);
  const low = Math.max(1, Math.floor((length - width) / 2));
  const high = Math.min(length, Math.ceil((length + width) / 2) + 1);
  return [sorted[low - 1] ?? Number.NaN, sorted[high - 1] ?? Number.NaN];
}

/** Nearest-rank quantile of an ascending list: always a value that was measured. */
function quantile(sorted: readonly number[], q: number): number {
  const rank = Math.max(1, Math.ceil(q * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
