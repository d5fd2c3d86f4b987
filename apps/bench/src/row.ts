import type { StartedServer } from "@wrenn/server";

/** Where a public API is, and the key for it. */
export type ApiServer = Pick<StartedServer, "url" | "apiKey">;

/** What rows that use only the public API need. */
export interface ApiContext {
  readonly server: ApiServer;
  /** Calls the public API; rejects on a status other than 2xx. */
  readonly api: <T>(method: string, path: string, body?: unknown) => Promise<T>;
}

/** What every row measures against: a server with nothing else to do. */
export interface BenchContext extends ApiContext {
  readonly server: StartedServer;
  readonly signal: AbortSignal;
  /** Calls another server's API. What its answers say of their time counts for the row. */
  readonly apiOf: (server: ApiServer) => ApiContext["api"];
}

export interface Target {
  readonly p50?: number;
  readonly p99?: number;
  readonly better: "lower" | "higher";
}

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly unit: "ms" | "ratio" | "MB/s" | "/s" | "MiB" | "KiB" | "%" | "count";
  /** What the project asks on the reference class of machine (two cores, software emulation). */
  readonly asked?: Target;
  /** One of the few that `bench --quick` measures. */
  readonly isQuick?: true;
  /** For rows that give many samples in a round and disturb the others: the first rounds that count, this many, measure them. */
  readonly maxRounds?: number;
  /** For rows whose samples are pairs: milliseconds that the whole may take longer than the base, in the median. */
  readonly askedDifferenceMs?: number;
  /** Why this machine cannot measure it, or undefined. Such rows are left out. */
  readonly missing?: () => string | undefined;
  /** Makes what the samples need; the returned function removes it. */
  prepare(context: BenchContext): Promise<RunningRow>;
}

/** What a row gets that needs only the public API. */
export interface ApiRowContext extends ApiContext {
  readonly signal: AbortSignal;
}

/** A row that needs only the public API, so that the server of another checkout can serve it as well. */
export interface ApiRow extends Row {
  readonly usesApiOnly: true;
  prepare(context: ApiRowContext): Promise<RunningRow>;
}

export interface RunningRow {
  /** One measurement in the row's unit, or as many as one round gives. Of pairs the row shows the ratio. */
  sample(): Promise<number | readonly number[] | readonly PairedTimes[]>;
  dispose(): Promise<void>;
}

/** Times of two things, of which the base is a part of the whole, measured one after the other. */
export interface PairedTimes {
  readonly wholeMs: number;
  readonly baseMs: number;
}

/**
 * Measures pairs of a whole and the base that is a part of it. Each of the two is first in turn, so that neither finds the machine warmer.
 *
 * @param count - how many pairs a round gives.
 */
export function samplePairs(
  count: number,
  whole: () => Promise<unknown>,
  base: () => Promise<unknown>,
): () => Promise<readonly PairedTimes[]> {
  const pair = pairedTimes(whole, base);
  return async () => {
    const pairs: PairedTimes[] = [];
    for (let n = 0; n < count; n++) pairs.push(await pair());
    return pairs;
  };
}

function pairedTimes(
  whole: () => Promise<unknown>,
  base: () => Promise<unknown>,
): () => Promise<PairedTimes> {
  let isBaseFirst = false;
  return async () => {
    isBaseFirst = !isBaseFirst;
    if (isBaseFirst) {
      const baseMs = await timed(base);
      return { baseMs, wholeMs: await timed(whole) };
    }
    const wholeMs = await timed(whole);
    return { wholeMs, baseMs: await timed(base) };
  };
}

/** Milliseconds that `task` takes. */
export async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}
