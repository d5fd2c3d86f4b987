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
}

export interface Target {
  readonly p50?: number;
  readonly p99?: number;
  readonly better: "lower" | "higher";
}

/** One line of the table. */
export interface Row {
  readonly name: string;
  readonly unit: "ms" | "ratio" | "MB/s" | "/s" | "MiB" | "KiB" | "count";
  /** What the project asks on the reference class of machine (two cores, software emulation). */
  readonly asked?: Target;
  /** Makes what the samples need; the returned function removes it. */
  prepare(context: BenchContext): Promise<RunningRow>;
}

export interface RunningRow {
  /** One measurement in the row's unit, or as many as one round gives. */
  sample(): Promise<number | readonly number[]>;
  dispose(): Promise<void>;
}

/**
 * How many times as long as `base` the `whole` takes, of which `base` is a part: a difference of the two would be negative where the
 * noise of the machine is greater. The two follow each other, each first in turn, so that neither finds the machine warmer.
 */
export function pairedRatio(
  whole: () => Promise<unknown>,
  base: () => Promise<unknown>,
): () => Promise<number> {
  let isBaseFirst = false;
  return async () => {
    isBaseFirst = !isBaseFirst;
    if (isBaseFirst) {
      const baseMs = await timed(base);
      return (await timed(whole)) / baseMs;
    }
    const wholeMs = await timed(whole);
    return wholeMs / (await timed(base));
  };
}

/** Milliseconds that `task` takes. */
export async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}
