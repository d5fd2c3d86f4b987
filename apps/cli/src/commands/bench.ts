import { readFile, writeFile } from "node:fs/promises";
import {
  allPeers,
  commitOf,
  machineFacts,
  measurableRows,
  measure,
  measurePeers,
  parseStoredRun,
  renderComparison,
  renderPeerReport,
  renderReport,
} from "@wrenn/bench";
import { ApiClient } from "../client/api-client.ts";
import type { BenchContext, BenchLimits, BenchProgress, StoredRun } from "@wrenn/bench";
import { benchBase } from "../bench/bench-base.ts";
import { chosenRows, limitsOf, shownProgress } from "../bench/bench-options.ts";
import type { BenchOptions } from "../bench/bench-options.ts";
import { CommandExit } from "../command-exit.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";
import { projectRoot } from "../project-root.ts";

/** Starts a server of its own and measures the rows against it, or the peers beside it. */
export async function bench(options: BenchOptions): Promise<void> {
  if (options.base !== undefined) return await benchBase({ ...options, base: options.base });
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
  const { measurable, leftOut } = measurableRows(chosenRows(options));
  const results = await measure(measurable, limits, context, onProgress, (known) =>
    store({ results: known }),
  );
  const comparison = before === undefined ? "" : `\n${renderComparison(before, results)}`;
  return renderReport(facts, results, leftOut) + comparison;
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
