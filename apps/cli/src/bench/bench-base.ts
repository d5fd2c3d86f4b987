import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { commitOf, measurePairs, renderBaseReport, startCheckoutServer, usesApiOnly } from "@wrenn/bench";
import type { BasePairs } from "@wrenn/bench";
import { exists } from "@wrenn/system";
import { ProgressDisplay } from "../output/progress.ts";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";
import { chosenRows, limitsOf, shownProgress } from "./bench-options.ts";
import type { BenchOptions } from "./bench-options.ts";

/** Another version makes other kernels and images: it finds none of this one's, and leaves it none. */
const CACHE_DIRECTORY = "/var/cache/wrenn-bench-base";

/** Starts the servers of this checkout and of another one, and measures the rows of the API on both in turn. */
export async function benchBase(options: BenchOptions & { readonly base: string }): Promise<void> {
  const refuse = (problem: string): never => {
    process.stderr.write(`wrenn: ${problem}\n`);
    throw new CommandExit(2);
  };
  for (const other of ["peers", "compare"] as const)
    if (options[other] !== undefined) refuse(`--base and --${other} exclude each other`);
  const checkout = resolve(options.base);
  if (!(await exists(join(checkout, "wrenn"))))
    refuse(`${checkout} is no checkout of Wrenn; make one with "git worktree add ${checkout} COMMIT"`);
  const chosen = chosenRows(options);
  const rows = chosen.filter(usesApiOnly);
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error("interrupted"));
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const name of signals) process.once(name, stop);
  const date = new Date().toISOString();
  const [commit, baseCommit] = await Promise.all([commitOf(projectRoot), commitOf(checkout)]);
  const store = async (results: readonly BasePairs[]): Promise<void> => {
    if (options.json === undefined) return;
    const run = { date, commit, base: baseCommit, pairs: results };
    await writeFile(options.json, `${JSON.stringify(run, undefined, 2)}\n`);
  };
  try {
    await using servers = new AsyncDisposableStack();
    const start = async (directory: string, env: Readonly<Record<string, string>>) => {
      progress.update({ step: "starting the server", detail: directory });
      const server = await startCheckoutServer(directory, env, stopping.signal);
      servers.defer(() => server.close());
      return server;
    };
    const here = await start(projectRoot, {});
    const base = await start(checkout, { WRENN_CACHE_DIR: CACHE_DIRECTORY });
    const results = await measurePairs(
      rows,
      limitsOf(options),
      { here, base },
      stopping.signal,
      (update) => progress.update(shownProgress(update)),
      store,
    );
    progress.done();
    const leftOut = chosen.filter((row) => !usesApiOnly(row)).map(({ name }) => name);
    process.stdout.write(renderBaseReport(baseCommit ?? "base", commit ?? "here", results, leftOut));
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}
