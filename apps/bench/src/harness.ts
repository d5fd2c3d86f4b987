import { apiOf } from "./own-server.ts";
import { PhaseCollector } from "./request-phases.ts";
import type { RequestPhases } from "./request-phases.ts";
import type { ApiServer, BenchContext, PairedTimes, Row, RunningRow } from "./row.ts";
import { summarise } from "./statistics.ts";
import type { Summary } from "./statistics.ts";

const WARM_UP_ROUNDS = 2;

export interface RowResult {
  readonly name: string;
  readonly unit: Row["unit"];
  readonly asked: Row["asked"];
  readonly better: "lower" | "higher";
  readonly askedDifferenceMs: Row["askedDifferenceMs"];
  /** Of rows that measure pairs. */
  readonly pairs: readonly PairedTimes[];
  readonly samples: readonly number[];
  readonly summary: Summary;
  /** Where the time of its requests went, as their answers say. */
  readonly phases: readonly RequestPhases[];
}

/** What is under way: a row that is prepared, or one that is sampled in a round. */
export interface BenchProgress {
  readonly row: string;
  /** Position of the row among those of this round, from 0. */
  readonly index: number;
  readonly rows: number;
  /** From 1, warm-up rounds included; undefined while rows are prepared. */
  readonly round: number | undefined;
  readonly rounds: number;
  /** Milliseconds that are left, by the rounds that are over; undefined before there is one. */
  readonly leftMs: number | undefined;
}

export interface BenchLimits {
  /** How often each row is measured, or less often when the time is up. */
  readonly rounds: number;
  /** Milliseconds, of preparing as well, after which no other round begins. One round is always measured. */
  readonly forMs?: number;
}

/**
 * Measures every row in interleaved rounds: a slow minute of the machine is spread over all of them. The first rounds are
 * thrown away.
 *
 * @param onRound - called after each round that counts, with what is known by then.
 */
export async function measure(
  rows: readonly Row[],
  { rounds, forMs = Number.POSITIVE_INFINITY }: BenchLimits,
  context: Pick<BenchContext, "server" | "signal">,
  onProgress: (progress: BenchProgress) => void,
  onRound: (results: readonly RowResult[]) => Promise<void> = async () => {},
): Promise<readonly RowResult[]> {
  const startedAt = performance.now();
  await using stack = new AsyncDisposableStack();
  const running: Running[] = [];
  const all = { rows: rows.length, rounds: rounds + WARM_UP_ROUNDS };
  for (const [index, row] of rows.entries()) {
    onProgress({ ...all, row: row.name, index, round: undefined, leftMs: undefined });
    const phases = new PhaseCollector();
    const api = (server: ApiServer): BenchContext["api"] => apiOf(server, context.signal, phases);
    const work = await row.prepare({ ...context, api: api(context.server), apiOf: api });
    stack.defer(() => work.dispose());
    running.push({ row, work, samples: [], pairs: [], phases });
  }
  const begunAt = performance.now();
  const results = (): readonly RowResult[] => running.map(resultOf);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
    const over = round + WARM_UP_ROUNDS;
    const perRoundMs = (performance.now() - begunAt) / over;
    if (round > 0 && performance.now() - startedAt + perRoundMs > forMs) break;
    const leftMs =
      over === 0
        ? undefined
        : Math.min(perRoundMs * (rounds - round), forMs - (performance.now() - startedAt));
    for (const [index, { row, work, samples, pairs, phases }] of running.entries()) {
      context.signal.throwIfAborted();
      if (row.maxRounds !== undefined && (round < 0 || round >= row.maxRounds)) continue;
      onProgress({ ...all, row: row.name, index, round: over + 1, leftMs });
      phases.isOpen = round >= 0;
      const value = await work.sample();
      if (round < 0) continue;
      for (const one of typeof value === "number" ? [value] : value) {
        if (typeof one !== "number") pairs.push(one);
        samples.push(typeof one === "number" ? one : one.wholeMs / one.baseMs);
      }
    }
    if (round >= 0) await onRound(results());
  }
  return results();
}

interface Running {
  readonly row: Row;
  readonly work: RunningRow;
  readonly samples: number[];
  readonly pairs: PairedTimes[];
  readonly phases: PhaseCollector;
}

function resultOf({ row, samples, pairs, phases }: Running): RowResult {
  return {
    name: row.name,
    unit: row.unit,
    asked: row.asked,
    better: row.asked?.better ?? (row.unit === "MB/s" || row.unit === "/s" ? "higher" : "lower"),
    askedDifferenceMs: row.askedDifferenceMs,
    pairs,
    samples,
    summary: summarise(samples),
    phases: phases.summary(),
  };
}
