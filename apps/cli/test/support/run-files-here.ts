import { runFiles } from "../../src/testing/run-files.ts";

/** Runs the files that are its arguments as `./wrenn test` does, in a great hurry, and prints the counts. */
const limits = { timeoutMs: 2000, graceMs: 500, stuckMs: 20_000, orphansMs: 1000, lookEveryMs: 200 };
const counts = await runFiles(process.argv.slice(2), 2, limits);
process.stdout.write(`\n${JSON.stringify({ ...counts, unsteady: counts.unsteady.length })}\n`);
