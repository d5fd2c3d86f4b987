import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { parseStoredRun } from "../compare.ts";
import type { StoredRun } from "../compare.ts";
import { readStoredPerformance, writePerformancePage, writeStoredPerformance } from "./performance-files.ts";
import { summarisePeers, summariseRows } from "./stored-performance.ts";

/**
 * Stores runs of `./wrenn bench --json FILE` for the performance page, and writes the page. Arguments: runs with rows or with peers; what
 * they did not measure stays as it was stored. `--before FILE` is the run that the rows are compared with.
 */
const { values, positionals } = parseArgs({
  options: { before: { type: "string" } },
  allowPositionals: true,
});
if (positionals.length === 0) throw new Error("usage: npm run performance -- RUN.json … [--before RUN.json]");

const before = values.before === undefined ? undefined : await readRun(values.before);
const runs = await Promise.all(positionals.map(readRun));
const rows = runs.findLast(({ results }) => results.length > 0);
const peers = runs.findLast((run) => run.peers !== undefined);
await writeStoredPerformance({
  ...(await readStoredPerformance()),
  ...(rows ? { rows: summariseRows(rows, before) } : {}),
  ...(peers ? { peers: summarisePeers(peers) } : {}),
});
await writePerformancePage();

async function readRun(file: string): Promise<StoredRun> {
  const run = parseStoredRun(await readFile(file, "utf8"));
  if (run === undefined) throw new Error(`${file} is no result of "wrenn bench --json"`);
  return run;
}
