import { ratioOfMedians } from "../compare.ts";
import type { RatioOfMedians, StoredRow, StoredRun } from "../compare.ts";
import type { MachineFacts } from "../machine-facts.ts";
import { comparePeers, unavailableMeasures } from "../peers/compare-peers.ts";
import type { PeerComparison, UnavailableMeasures } from "../peers/compare-peers.ts";
import type { PeerResult } from "../peers/measured-peer.ts";
import type { RequestPhases } from "../request-phases.ts";
import { medianInterval, summarise, summarisePairs } from "../statistics.ts";
import type { Interval, PairedSummary } from "../statistics.ts";

/** What the performance page is generated from: medians and intervals of stored runs, without their samples. */
export interface StoredPerformance {
  readonly rows?: MeasuredRows;
  readonly peers?: MeasuredPeers;
}

/** Where and when something was measured. */
export interface RunOrigin {
  readonly date?: string | undefined;
  readonly commit?: string | undefined;
  readonly facts: MachineFacts;
}

export interface MeasuredRows extends RunOrigin {
  /** The run that the rows are compared with. */
  readonly before?: RunOrigin | undefined;
  readonly rows: readonly RowSummary[];
}

export interface RowSummary {
  readonly name: string;
  readonly unit: string;
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  /** Where the median is with a confidence of 95 %; absent where there are too few samples. */
  readonly interval?: Interval | undefined;
  /** Of rows that measure pairs. */
  readonly pairs?: PairedSummary | undefined;
  readonly phases?: readonly RequestPhases[] | undefined;
  /** To the run before. */
  readonly change?: (RatioOfMedians & { readonly p50: number }) | undefined;
}

export interface MeasuredPeers extends RunOrigin {
  readonly peers: readonly Pick<PeerResult, "name" | "isolates">[];
  readonly comparisons: readonly PeerComparison[];
  readonly unavailable: readonly UnavailableMeasures[];
}

/** @param before - rows that it measured, too, get a ratio. */
export function summariseRows(run: StoredRun, before?: StoredRun): MeasuredRows {
  return {
    ...originOf(run),
    before: before && originOf(before),
    rows: run.results.map((row) => summariseRow(row, before?.results)),
  };
}

/** Of a run of `bench --peers`. */
export function summarisePeers(run: StoredRun): MeasuredPeers {
  const { peers = [] } = run;
  return {
    ...originOf(run),
    peers: peers.map(({ name, isolates }) => ({ name, isolates })),
    comparisons: comparePeers(peers),
    unavailable: unavailableMeasures(peers),
  };
}

/** JSON with four digits of each number: a new run changes only what differs. */
export function serialisePerformance(performance: StoredPerformance): string {
  const short = (_key: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  return `${JSON.stringify(performance, short, 2)}\n`;
}

function originOf({ date, commit, facts }: StoredRun): RunOrigin {
  return { date, commit, facts };
}

function summariseRow(row: StoredRow, before: readonly StoredRow[] = []): RowSummary {
  const { name, unit, samples, pairs = [], phases = [] } = row;
  const { count, p50, p99 } = summarise(samples);
  const stored = before.find((other) => other.name === name && other.unit === unit);
  return {
    name,
    unit,
    count,
    p50,
    p99,
    interval: medianInterval(samples),
    pairs: pairs.length === 0 ? undefined : summarisePairs(pairs),
    phases: phases.length === 0 ? undefined : phases,
    change: stored && {
      p50: summarise(stored.samples).p50,
      ...ratioOfMedians(stored.samples, samples),
    },
  };
}
