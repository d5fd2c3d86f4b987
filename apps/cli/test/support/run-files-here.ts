import { runFiles } from "../../src/testing/run-files.ts";

/** Runs the files that are its arguments as `./wrenn test` does, in a great hurry, and prints the counts. */
const limits = { timeoutMs: 2000, graceMs: 500, stuckMs: 20_000, orphansMs: 1000, lookEveryMs: 200 };
const counts = await runFiles(process.argv.slice(2), 2, limits);
const { failures, unsteady, ...sums } = counts;
for (const failure of failures) process.stdout.write(`\n${failure}`);
process.stdout.write(`\n${JSON.stringify({ ...sums, unsteady: unsteady.length })}\n`);
