import { readFile, writeFile } from "node:fs/promises";
import { machineFacts, measure, parseStoredRun, renderComparison, renderReport, rows } from "@wrenn/bench";
import { ApiClient } from "../client/api-client.ts";
import type { BenchProgress, StoredRun } from "@wrenn/bench";
import { CommandExit } from "../command-exit.ts";
import { ProgressDisplay } from "../output/progress.ts";
import type { ProgressEvent } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly only?: string;
  readonly json?: string;
  readonly quick?: boolean;
  readonly compare?: string;
}

/** Of `--quick`, which ends within two minutes, starting and ending of the server included. */
const QUICK_MS = 100_000;

/** Starts a server of its own and measures the rows against it. */
export async function bench(options: BenchOptions): Promise<void> {
  const before = options.compare === undefined ? undefined : await readStoredRun(options.compare);
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error("interrupted"));
  process.once("SIGINT", stop);
  const server = await startServer({
    config: {
      ...readConfig(process.env, "127.0.0.1:0"),
      createAnswerMs: undefined,
      // Rows are about machines that wait only where they say so.
      warmMachines: 0,
      parkedMachines: 0,
      dataDirectory: process.env["WRENN_DATA_DIR"] ?? "/var/lib/wrenn-bench",
    },
    logger: createLog("text", "error"),
    progress: progress.update,
    signal: stopping.signal,
  });
  try {
    const api = new ApiClient({ url: server.url, apiKey: server.apiKey });
    const facts = await machineFacts(await server.hostAgent.facts(stopping.signal));
    const { only = "", quick = false, json } = options;
    const chosen = rows.filter((row) => row.name.includes(only) && (!quick || row.isQuick));
    const results = await measure(
      chosen,
      { rounds: options.rounds, ...(quick ? { forMs: QUICK_MS } : {}) },
      {
        server,
        signal: stopping.signal,
        api: (method, path, body) => api.request(method, path, body, stopping.signal),
      },
      (update) => progress.update(shownProgress(update)),
      async (known) => {
        if (json !== undefined) await store(json, { facts, results: known });
      },
    );
    progress.done();
    process.stdout.write(renderReport(facts, results));
    if (before !== undefined) process.stdout.write(`\n${renderComparison(before, results)}`);
  } finally {
    await server.close("destroy");
    process.off("SIGINT", stop);
  }
}

async function readStoredRun(file: string): Promise<StoredRun> {
  const stored = parseStoredRun(await readFile(file, "utf8"));
  if (stored !== undefined) return stored;
  process.stderr.write(`wrenn: ${file} is no result of "wrenn bench --json"\n`);
  throw new CommandExit(2);
}

/** After each round: what was measured by then stays when the rest does not come. */
async function store(file: string, run: StoredRun): Promise<void> {
  await writeFile(file, `${JSON.stringify(run, undefined, 2)}\n`);
}

/** Each round is a step, so that logs, which show only steps, have the remaining time as well. */
export function shownProgress({ row, index, rows, round, rounds, leftMs }: BenchProgress): ProgressEvent {
  if (round === undefined) return { step: "preparing", fraction: index / rows, detail: row };
  const left = leftMs === undefined ? "" : `, ${remaining(leftMs)} left`;
  return { step: `round ${round} of ${rounds}${left}`, fraction: index / rows, detail: row };
}

function remaining(ms: number): string {
  return ms < 90_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
