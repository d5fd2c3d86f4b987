import { relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { endOrphans, TEST_RUN } from "./end-orphans.ts";
import { endTestFile, RunningFiles } from "./running-files.ts";

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  /** Files that failed, and passed when they were run again by themselves. */
  unsteady: readonly string[];
  /** What failed in the end, each with the beginning of its error: the end of a long output is often all that is kept of it. */
  failures: readonly string[];
}

/** Times in milliseconds. */
export interface FileLimits {
  /** A test, and a file, that takes longer has failed. */
  readonly timeoutMs: number;
  /** How long after that, and after the last of its tests, a file may take to end by itself before its process is killed. */
  readonly graceMs: number;
  /** How long after the kill a file may still be under way before the run is given up. */
  readonly stuckMs: number;
  /** Processes without parents that are younger may be part of a test that still goes on. */
  readonly orphansMs: number;
  readonly lookEveryMs: number;
}

/** Where more files fail at once, something is broken: running them again would only take time. */
const MOST_AGAIN = 3;
const SLOWEST = 20;
/** Lines of an error that are repeated at the end. */
const ERROR_LINES = 12;

/**
 * Runs test files, each in a separate process, and prints what happens in the order of the files, and at the end the slowest
 * ones. A file that hangs is a failure, not a stuck build. Up to three files that fail are run once more, each by itself; where all
 * of them pass then, nothing counts as failed, and they are named as unsteady (docs/decisions/0040).
 *
 * @param files - their paths.
 * @param concurrency - how many run at once.
 * @throws Error where a file goes on though its process was killed: the run cannot come to its end.
 */
export async function runFiles(
  files: readonly string[],
  concurrency: number,
  limits: FileLimits,
): Promise<Counts> {
  if (files.length === 0) return { passed: 0, failed: 0, skipped: 0, unsteady: [], failures: [] };
  const { counts, running, failed } = await runOnce(files, concurrency, limits);
  const slowest = running
    .slowest(SLOWEST)
    .map(({ file, ms }) => `${shortPath(file)} ${(ms / 1000).toFixed(1)} s`);
  process.stdout.write(`slowest: ${slowest.join(", ")}\n`);
  if (failed.length === 0 || failed.length > MOST_AGAIN) return counts;
  let failedAgain = 0;
  const failures: string[] = [];
  for (const file of failed) {
    process.stdout.write(`${shortPath(file)} has failed: running it once more, by itself\n`);
    const again = await runOnce([file], 1, limits);
    failedAgain += again.counts.failed;
    failures.push(...again.counts.failures);
  }
  if (failedAgain > 0) return { ...counts, failures };
  return { ...counts, failed: 0, failures: [], unsteady: failed.map(shortPath) };
}

function shortPath(file: string): string {
  return relative(process.cwd(), file);
}

function failureOf(file: string, name: string, { cause, message }: Error): string {
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : message;
  const lines = text.split("\n").slice(0, ERROR_LINES);
  return [`failed: ${file}: ${name}`, ...lines.map((line) => `    ${line}`)].join("\n");
}

interface Outcome {
  readonly counts: Counts;
  readonly running: RunningFiles;
  /** Files of which a test failed, or that did not end by themselves. */
  readonly failed: readonly string[];
}

async function runOnce(files: readonly string[], concurrency: number, limits: FileLimits): Promise<Outcome> {
  const failures: string[] = [];
  const counts: Counts = { passed: 0, failed: 0, skipped: 0, unsteady: [], failures };
  const failed = new Set<string>();
  process.env[TEST_RUN] = String(process.pid);
  const stream = run({ files: [...files], concurrency, isolation: "process", timeout: limits.timeoutMs });
  stream.on("test:summary", (summary) => {
    if (summary.file !== undefined) return;
    counts.passed = summary.counts.passed;
    counts.skipped = summary.counts.skipped + summary.counts.todo;
    counts.failed = summary.counts.tests - counts.passed - counts.skipped;
  });
  stream.on("test:fail", ({ name, file, skip, todo, details }) => {
    if (skip !== undefined || todo !== undefined) return;
    // Of a file that fails as a whole, its path is the name.
    failed.add(file ?? name);
    failures.push(failureOf(shortPath(file ?? name), name, details.error));
  });
  const report = stream.compose(new spec());
  const running = new RunningFiles(stream, () => performance.now());
  const killed = new Map<string, number>();
  let isLooking = false;
  const looking = setInterval(() => {
    // On a busy machine a look takes longer than the time between two.
    if (isLooking) return;
    isLooking = true;
    endWhatHangs(running, limits, killed)
      .catch((error: Error) => report.destroy(error))
      .finally(() => (isLooking = false));
  }, limits.lookEveryMs);
  try {
    for await (const line of report) process.stdout.write(line as string);
  } finally {
    clearInterval(looking);
  }
  return { counts, running, failed: files.filter((file) => failed.has(file)) };
}

async function endWhatHangs(
  running: RunningFiles,
  { timeoutMs, graceMs, stuckMs, orphansMs }: FileLimits,
  killed: Map<string, number>,
): Promise<void> {
  for (const what of await endOrphans(String(process.pid), orphansMs))
    process.stdout.write(`left by its test and ended: ${what}\n`);
  for (const file of running.late({ file: timeoutMs + graceMs, end: graceMs })) {
    const killedAt = killed.get(file);
    if (killedAt !== undefined && performance.now() - killedAt > stuckMs)
      throw new Error(`${file} was killed, and something still holds its output`);
    const found = await endTestFile(process.pid, file);
    if (found === undefined) continue;
    if (killedAt === undefined) killed.set(file, performance.now());
    const { pid, openFiles, waitingIn } = found;
    process.stdout.write(
      `${file} did not end and was killed: ${pid}, ${openFiles} open files, in ${waitingIn}\n`,
    );
  }
}
