import { readFile, writeFile } from "node:fs/promises";
import {
  allPeers,
  commitOf,
  goals,
  machineFacts,
  measure,
  measurePeers,
  parseStoredRun,
  renderComparison,
  renderPeerReport,
  renderReport,
  rows,
} from "@wrenn/bench";
import { ApiClient } from "../client/api-client.ts";
import type { BenchContext, BenchLimits, BenchProgress, Row, StoredRun } from "@wrenn/bench";
import { CommandExit } from "../command-exit.ts";
import { ProgressDisplay } from "../output/progress.ts";
import type { ProgressEvent } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";
import { projectRoot } from "../project-root.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly minutes?: number;
  readonly only?: string;
  readonly json?: string;
  readonly quick?: boolean;
  readonly goals?: boolean;
  readonly peers?: boolean;
  readonly compare?: string;
}

/** Of `--quick`, which ends within two minutes, starting and ending of the server included. */
const QUICK_MS = 100_000;

/** Starts a server of its own and measures the rows against it, or the peers beside it. */
export async function bench(options: BenchOptions): Promise<void> {
  const before = options.compare === undefined ? undefined : await readStoredRun(options.compare);
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error("interrupted"));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) process.once(name, stop);
  const date = new Date().toISOString();
  const commit = await commitOf(projectRoot);
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
    const client = new ApiClient({ url: server.url, apiKey: server.apiKey });
    const api: BenchContext["api"] = (method, path, body) =>
      client.request(method, path, body, stopping.signal);
    const facts = await machineFacts(await server.hostAgent.facts(stopping.signal));
    const report = await run(options, {
      context: { server, api, signal: stopping.signal },
      limits: limitsOf(options),
      onProgress: (update) => progress.update(shownProgress(update)),
      store: async (part) => {
        if (options.json !== undefined)
          await store(options.json, { date, commit, facts, results: [], ...part });
      },
      facts,
      before,
    });
    progress.done();
    process.stdout.write(report);
  } catch (error) {
    // Of everything that an interruption breaks, its own reason is what people need.
    stopping.signal.throwIfAborted();
    throw error;
  } finally {
    await server.close("destroy");
    for (const name of signals) process.off(name, stop);
  }
}

interface Run {
  readonly context: Pick<BenchContext, "server" | "api" | "signal">;
  readonly limits: BenchLimits;
  readonly onProgress: (update: BenchProgress) => void;
  readonly store: (part: Partial<StoredRun>) => Promise<void>;
  readonly facts: StoredRun["facts"];
  readonly before: StoredRun | undefined;
}

/** @returns the text for people. */
async function run(
  options: BenchOptions,
  { context, limits, onProgress, store, facts, before }: Run,
): Promise<string> {
  if (options.peers) {
    const { only = "" } = options;
    const peers = allPeers(context).filter(({ name, isWrenn }) => isWrenn || name.includes(only));
    const found = await measurePeers(peers, limits, context.signal, onProgress, (known) =>
      store({ peers: known }),
    );
    return renderPeerReport(facts, found);
  }
  const results = await measure(chosenRows(options), limits, context, onProgress, (known) =>
    store({ results: known }),
  );
  const comparison = before === undefined ? "" : `\n${renderComparison(before, results)}`;
  return renderReport(facts, results) + comparison;
}

/** The rows that the options name, in the order of the table. */
export function chosenRows({
  only = "",
  quick = false,
  goals: onlyGoals = false,
}: Omit<BenchOptions, "rounds">): readonly Row[] {
  return rows.filter(
    (row) =>
      row.name.includes(only) &&
      (!quick || row.isQuick) &&
      (!onlyGoals || goals.some((goal) => goal.row === row)),
  );
}

function limitsOf({ rounds, minutes, quick }: BenchOptions): BenchLimits {
  const limits = [...(quick ? [QUICK_MS] : []), ...(minutes === undefined ? [] : [minutes * 60_000])];
  return { rounds, ...(limits.length === 0 ? {} : { forMs: Math.min(...limits) }) };
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
