import type { RowResult } from "./harness.ts";
import type { PeerResult } from "./peers/measured-peer.ts";
import type { MachineFacts } from "./machine-facts.ts";
import { randomIndexes } from "./random-indexes.ts";
import { summarise } from "./statistics.ts";
import { alignTable } from "./table.ts";

/** What `bench --json` stores, and `bench --compare` reads. */
export interface StoredRun {
  /** When it began, ISO 8601. */
  readonly date?: string;
  /** Of the checkout that was measured; with `+` where files differed from it. */
  readonly commit?: string | undefined;
  readonly facts: MachineFacts;
  readonly results: readonly StoredRow[];
  /** Of `--peers`. */
  readonly peers?: readonly PeerResult[];
}

/** The least that is stored of a row. */
export type StoredRow = Pick<RowResult, "name" | "unit" | "samples"> &
  Partial<Pick<RowResult, "pairs" | "phases">>;

export interface RatioOfMedians {
  /** Median afterwards to median before. */
  readonly ratio: number;
  /** Where that ratio is with a confidence of 95 %. */
  readonly interval: readonly [low: number, high: number];
}

const RESAMPLES = 2000;
/** Any number: the same samples give the same interval each time. */
const SEED = 20_261_129;

/**
 * Compares two independent lists of samples by their medians. The interval is the percentile bootstrap (B. Efron, "Bootstrap Methods",
 * Annals of Statistics 7, 1979): it takes no distribution for granted, as times of a busy machine follow none.
 *
 * @throws RangeError where a list is empty.
 */
export function ratioOfMedians(before: readonly number[], after: readonly number[]): RatioOfMedians {
  const index = randomIndexes(SEED);
  const medianOfResample = (samples: readonly number[]): number =>
    summarise(samples.map(() => samples[index(samples.length)] ?? Number.NaN)).p50;
  const ratios = Array.from({ length: RESAMPLES }, () => medianOfResample(after) / medianOfResample(before));
  ratios.sort((a, b) => a - b);
  const at = (share: number): number => ratios[Math.floor(share * (RESAMPLES - 1))] ?? Number.NaN;
  return {
    ratio: summarise(after).p50 / summarise(before).p50,
    interval: [at(0.025), at(0.975)],
  };
}

/**
 * The rows that both runs measured, side by side.
 *
 * @param before - the stored run.
 */
export function renderComparison(before: StoredRun, results: readonly RowResult[]): string {
  const lines = results.flatMap(({ name, unit, samples, better }) => {
    const stored = before.results.find((row) => row.name === name && row.unit === unit);
    if (stored === undefined) return [];
    const { ratio, interval } = ratioOfMedians(stored.samples, samples);
    const medians = [summarise(stored.samples).p50, summarise(samples).p50].map((value) =>
      value.toPrecision(3),
    );
    const [low, high] = interval.map((value) => value.toFixed(2)) as [string, string];
    return [[name, unit, ...medians, ratio.toFixed(2), `${low} to ${high}`, judge(interval, better)]];
  });
  if (lines.length === 0) return "no row was measured by both runs\n";
  const header = ["row", "unit", "before", "now", "ratio", "95 % interval", ""];
  return [...alignTable([header, ...lines]), ""].join("\n");
}

/** What the interval of a ratio of after to before says. */
export function judge([low, high]: readonly [number, number], better: "lower" | "higher"): string {
  if (low <= 1 && high >= 1) return "not resolved";
  return high < 1 === (better === "lower") ? "better" : "worse";
}

/** The run that a text of `bench --json` holds; undefined where it holds none. */
export function parseStoredRun(text: string): StoredRun | undefined {
  let run: Partial<StoredRun> | undefined;
  try {
    run = JSON.parse(text) as Partial<StoredRun>;
  } catch {
    return undefined;
  }
  const { results } = run ?? {};
  return Array.isArray(results) && results.every(isRow) ? (run as StoredRun) : undefined;
}

function isRow(row: Partial<RowResult> | null): boolean {
  return (
    typeof row?.name === "string" &&
    typeof row.unit === "string" &&
    Array.isArray(row.samples) &&
    row.samples.length > 0 &&
    row.samples.every((sample) => typeof sample === "number")
  );
}
