import { run as runTests } from "node:test";
import { spec } from "node:test/reporters";
import { glob, open } from "node:fs/promises";
import { problemOf } from "@wrenn/core";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";
import { prepareHost } from "../prepare-host.ts";
import { endOrphans, TEST_RUN } from "../testing/end-orphans.ts";
import { startPrivatePostgres } from "../testing/private-postgres.ts";
import { check } from "./check.ts";
import { findLeftovers } from "@wrenn/system";

/** Test groups in the order they run: cheap ones first. Those that start machines run one file at a time. */
const groups: readonly {
  readonly name: string;
  readonly patterns: readonly string[];
  /** Files that are left out. */
  readonly except?: readonly string[];
  readonly concurrency: number;
  /** Run on a PostgreSQL of the distribution instead of the embedded one. */
  readonly external?: true;
  /** Run with machines under KVM instead of software emulation, in the long form only. */
  readonly kvm?: true;
}[] = [
  { name: "unit", patterns: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"], concurrency: 2 },
  {
    name: "external database",
    patterns: ["packages/database/test/*.test.ts", "packages/control-plane/test/*.test.ts"],
    // What they show does not depend on the database.
    except: [
      "packages/control-plane/test/{abandoned-file-calls,downloads,text-offsets,unread-input,uploads}.test.ts",
      "packages/control-plane/test/{client-socket,json-bodies,read-ahead,waiting-client}.test.ts",
    ],
    concurrency: 2,
    external: true,
  },
  { name: "native", patterns: ["tests/native/*.test.ts"], concurrency: 1 },
  { name: "contract", patterns: ["tests/contract/**/*.test.ts"], concurrency: 1 },
  { name: "integration", patterns: ["tests/integration/**/*.test.ts"], concurrency: 1 },
  {
    name: "kvm",
    patterns: [
      "tests/contract/qemu-machine.test.ts",
      "tests/integration/{frozen-memory,machine-adoption,served-memory}.test.ts",
    ],
    concurrency: 1,
    kvm: true,
  },
  { name: "security", patterns: ["tests/security/**/*.test.ts"], concurrency: 1 },
  { name: "end-to-end", patterns: ["tests/e2e/**/*.test.ts"], concurrency: 1 },
  { name: "chaos", patterns: ["tests/chaos/**/*.test.ts"], concurrency: 1 },
  { name: "soak", patterns: ["tests/soak/**/*.test.ts"], concurrency: 1 },
  { name: "documentation", patterns: ["tests/docs/**/*.test.ts"], concurrency: 1 },
];

/** A file that hangs is a failure, not a stuck build. The long forms of single files take up to half an hour. */
const FILE_TIMEOUT_MS = { short: 8 * 60_000, long: 60 * 60_000 };
const ORPHANS = { everyMs: 30_000, olderThanMs: { short: 4 * 60_000, long: 40 * 60_000 } };

/** Where tests make their databases; without it they start embedded servers. */
const EXTERNAL_DATABASE = "WRENN_TEST_DATABASE_URL";

/** What machines of the tests run on; read by tests/support/real-machines.ts. */
const ACCELERATOR = "WRENN_TEST_ACCELERATOR";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Installs what is missing, runs the static checks and every test, and ends with one line of counts. */
export async function test(options: { readonly long?: boolean; readonly only?: string }): Promise<void> {
  const long = options.long ?? false;
  await prepareHost({ forTests: true, forLongTests: long });
  if (options.only === undefined) await check();
  const before = await findLeftovers();
  for (const item of before) process.stdout.write(`there before: ${item}\n`);
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const group of groups) {
    const files = await filesOf(group, options.only);
    if (files.length === 0 || (group.kvm && !long)) continue;
    process.stdout.write(`\n── ${group.name}, ${minutes()} min after the start\n`);
    const run = () => runGroup(files, group.concurrency, long);
    const counts = await (group.external
      ? onExternalDatabase(run)
      : group.kvm
        ? underKvm(files, run)
        : run());
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  }
  const left = (await findLeftovers()).filter((item) => !before.includes(item));
  for (const item of left) process.stdout.write(`left behind: ${item}\n`);
  if (left.length > 0) total.failed++;
  process.stdout.write(
    `\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped, ${minutes()} min\n`,
  );
  if (total.failed > 0 || total.passed === 0) throw new CommandExit(1);
}

function minutes(): string {
  return (process.uptime() / 60).toFixed(1);
}

/** The group's files whose path contains `only`; all of them where it is the group's name. */
async function filesOf(group: (typeof groups)[number], only: string | undefined): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob([...group.patterns], {
    cwd: projectRoot,
    exclude: [...(group.except ?? [])],
  })) {
    const chosen = only === undefined || only === group.name || file.includes(only);
    if (!file.includes("node_modules") && chosen) files.push(`${projectRoot}/${file}`);
  }
  return files.sort();
}

async function onExternalDatabase(run: () => Promise<Counts>): Promise<Counts> {
  await using server = await startPrivatePostgres();
  process.env[EXTERNAL_DATABASE] = server.url;
  try {
    return await run();
  } finally {
    delete process.env[EXTERNAL_DATABASE];
  }
}

/** Where KVM cannot be used at all, the files count as skipped. */
async function underKvm(files: readonly string[], run: () => Promise<Counts>): Promise<Counts> {
  try {
    await using device = await open("/dev/kvm", "r+");
    void device;
  } catch (error) {
    process.stdout.write(`skipped, ${files.length} files: ${problemOf(error)}\n`);
    return { passed: 0, failed: 0, skipped: files.length };
  }
  process.env[ACCELERATOR] = "kvm";
  try {
    return await run();
  } finally {
    delete process.env[ACCELERATOR];
  }
}

async function runGroup(files: string[], concurrency: number, long: boolean): Promise<Counts> {
  if (long) process.env["WRENN_TEST_LONG"] = "1";
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const form = long ? "long" : "short";
  process.env[TEST_RUN] = String(process.pid);
  const orphans = watchOrphans(ORPHANS.olderThanMs[form]);
  const stream = runTests({ files, concurrency, isolation: "process", timeout: FILE_TIMEOUT_MS[form] });
  stream.on("test:summary", (summary) => {
    if (summary.file !== undefined) return;
    counts.passed = summary.counts.passed;
    counts.skipped = summary.counts.skipped + summary.counts.todo;
    counts.failed = summary.counts.tests - counts.passed - counts.skipped;
  });
  const reporter = new spec();
  for await (const line of stream.compose(reporter)) process.stdout.write(line as string);
  clearInterval(orphans);
  return counts;
}

function watchOrphans(olderThanMs: number): NodeJS.Timeout {
  const look = async (): Promise<void> => {
    for (const what of await endOrphans(String(process.pid), olderThanMs))
      process.stdout.write(`left by its test and ended: ${what}\n`);
  };
  return setInterval(() => void look(), ORPHANS.everyMs);
}
