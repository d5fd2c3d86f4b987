import { problemOf } from "@wrenn/core";
import type { BenchLimits, BenchProgress } from "../harness.ts";
import { apiOf } from "../own-server.ts";
import type { ApiRow, ApiServer, PairedTimes, Row, RunningRow } from "../row.ts";
import { summarise } from "../statistics.ts";

/** The other order in every second round: A/B, B/A. */
const WARM_UP_ROUNDS = 2;

/** A row that was measured on this checkout and on the base. */
export interface BasePairs {
  readonly name: string;
  readonly unit: Row["unit"];
  readonly better: "lower" | "higher";
  /** Of the same round: `wholeMs` here, `baseMs` on the base, in the row's unit. Of many samples their median. */
  readonly pairs: readonly PairedTimes[];
  /** Why the base has no figures, or no further ones. */
  readonly problem?: string;
}

export interface BothServers {
  readonly here: ApiServer;
  readonly base: ApiServer;
}

/** Whether a row needs nothing but the public API, so that another checkout can serve it. */
export function usesApiOnly(row: Row): row is ApiRow {
  return "usesApiOnly" in row;
}

/**
 * Measures rows on two servers in interleaved rounds. Each server is first in every second round. A row that the base cannot serve says
 * so; one that fails here fails the run.
 *
 * @param onRound - called after each round that counts, with what is known by then.
 */
export async function measurePairs(
  rows: readonly ApiRow[],
  { rounds, forMs = Number.POSITIVE_INFINITY }: BenchLimits,
  { here, base }: BothServers,
  signal: AbortSignal,
  onProgress: (progress: BenchProgress) => void,
  onRound: (known: readonly BasePairs[]) => Promise<void> = async () => {},
): Promise<readonly BasePairs[]> {
  const startedAt = performance.now();
  await using stack = new AsyncDisposableStack();
  const prepare = async (row: ApiRow, server: ApiServer): Promise<RunningRow> => {
    const work = await row.prepare({ server, signal, api: apiOf(server, signal) });
    stack.defer(() => work.dispose());
    return work;
  };
  const all = { rows: rows.length, rounds: rounds + WARM_UP_ROUNDS };
  const running: Running[] = [];
  for (const [index, row] of rows.entries()) {
    onProgress({ ...all, row: row.name, index, round: undefined, leftMs: undefined });
    const work = await prepare(row, here);
    const other = await prepare(row, base).catch((error: unknown) => problemFor(error, signal));
    running.push({ row, here: work, base: other, pairs: [] });
  }
  const begunAt = performance.now();
  const known = (): readonly BasePairs[] => running.map(pairsOf);
  for (let over = 0; over < all.rounds; over++) {
    const round = over - WARM_UP_ROUNDS;
    const perRoundMs = (performance.now() - begunAt) / over;
    const leftMs = over === 0 ? undefined : perRoundMs * (all.rounds - over);
    if (round > 0 && performance.now() - startedAt + perRoundMs > forMs) break;
    for (const [index, one] of running.entries()) {
      signal.throwIfAborted();
      if (typeof one.base === "string") continue;
      onProgress({ ...all, row: one.row.name, index, round: over + 1, leftMs });
      const pair = await samplePair(one.here, one.base, over % 2 === 0, signal);
      if (typeof pair === "string") one.base = pair;
      else if (round >= 0) one.pairs.push(pair);
    }
    if (round >= 0) await onRound(known());
  }
  return known();
}

interface Running {
  readonly row: ApiRow;
  readonly here: RunningRow;
  /** Or why the base does not serve the row. */
  base: RunningRow | string;
  readonly pairs: PairedTimes[];
}

/** @returns the problem of the base, where it has one. */
async function samplePair(
  here: RunningRow,
  base: RunningRow,
  isHereFirst: boolean,
  signal: AbortSignal,
): Promise<PairedTimes | string> {
  const first = isHereFirst ? await sampleOf(here) : undefined;
  const baseMs = await sampleOf(base).catch((error: unknown) => problemFor(error, signal));
  const wholeMs = first ?? (await sampleOf(here));
  return typeof baseMs === "string" ? baseMs : { wholeMs, baseMs };
}

async function sampleOf(work: RunningRow): Promise<number> {
  const value = await work.sample();
  if (typeof value === "number") return value;
  return summarise(value.map((one) => (typeof one === "number" ? one : one.wholeMs / one.baseMs))).p50;
}

/** An abort is no problem of the base. */
function problemFor(error: unknown, signal: AbortSignal): string {
  signal.throwIfAborted();
  return problemOf(error);
}

function pairsOf({ row, base, pairs }: Running): BasePairs {
  const { name, unit, asked } = row;
  return {
    name,
    unit,
    better: asked?.better ?? (unit === "MB/s" || unit === "/s" ? "higher" : "lower"),
    pairs,
    ...(typeof base === "string" ? { problem: base } : {}),
  };
}
