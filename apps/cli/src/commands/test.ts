import { chmod, glob, mkdir, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { problemOf } from "@wrenn/core";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";
import { prepareHost } from "../prepare-host.ts";
import { drawTests } from "../testing/drawn-tests.ts";
import type { ReadTest } from "../testing/drawn-tests.ts";
import { runsAlone } from "../testing/lone-tests.ts";
import { worksWithDatabase } from "../testing/database-tests.ts";
import { runFiles } from "../testing/run-files.ts";
import type { Counts } from "../testing/run-files.ts";
import { startPrivatePostgres } from "../testing/private-postgres.ts";
import { check } from "./check.ts";
import { findLeftovers, tryCommand } from "@wrenn/system";

interface Group {
  readonly name: string;
  readonly patterns: readonly string[];
  /** Files that are left out. */
  readonly except?: readonly string[];
  /** Without `--long` only files of which this is true, by path and text. */
  readonly sample?: (path: string, text: string) => boolean;
  /** Without `--long` each run takes half of these files. */
  readonly drawsHalf?: true;
  /** How many files run at once. Those that say so run one at a time, after the others (testing/lone-tests.ts). */
  readonly concurrency: number;
  /** Run on a PostgreSQL of the distribution instead of the embedded one. */
  readonly external?: true;
  /** Run with machines under KVM instead of software emulation, in the long form only. */
  readonly kvm?: true;
}

const CONTROL_PLANE = "packages/control-plane/test/**/*.test.ts";

/**
 * Test groups in the order they run: cheap ones first. Most that start machines run two files at a time: they wait for one machine
 * most of the time, which keeps one processor busy.
 */
const groups: readonly Group[] = [
  {
    name: "unit",
    patterns: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"],
    except: [CONTROL_PLANE],
    concurrency: 3,
  },
  {
    name: "external database",
    patterns: ["packages/database/test/*.test.ts", CONTROL_PLANE],
    concurrency: 3,
    external: true,
  },
  {
    name: "embedded database",
    patterns: [CONTROL_PLANE],
    sample: worksWithDatabase,
    drawsHalf: true,
    concurrency: 3,
  },
  { name: "native", patterns: ["tests/native/*.test.ts"], concurrency: 1 },
  { name: "contract", patterns: ["tests/contract/**/*.test.ts"], concurrency: 1 },
  { name: "integration", patterns: ["tests/integration/**/*.test.ts"], concurrency: 2 },
  {
    name: "kvm",
    patterns: [
      "tests/contract/qemu-{machine,zygote}.test.ts",
      "tests/integration/{frozen-memory,machine-adoption,served-memory}.test.ts",
    ],
    concurrency: 1,
    kvm: true,
  },
  { name: "security", patterns: ["tests/security/**/*.test.ts"], concurrency: 2 },
  { name: "end-to-end", patterns: ["tests/e2e/**/*.test.ts"], concurrency: 2 },
  { name: "chaos", patterns: ["tests/chaos/**/*.test.ts"], concurrency: 1 },
  { name: "soak", patterns: ["tests/soak/**/*.test.ts"], concurrency: 1 },
  { name: "documentation", patterns: ["tests/docs/**/*.test.ts"], concurrency: 2 },
];

/** The long forms of single files take up to half an hour. */
const ENDS = { graceMs: 60_000, stuckMs: 4 * 60_000, lookEveryMs: 30_000 } as const;
const LIMITS = {
  short: { timeoutMs: 6 * 60_000, orphansMs: 4 * 60_000, ...ENDS },
  long: { timeoutMs: 60 * 60_000, orphansMs: 40 * 60_000, ...ENDS },
} as const;

/** A run with more files that passed only when they were run again has failed. */
const MOST_UNSTEADY = 3;

/** Where tests make their databases; without it they start embedded servers. */
const EXTERNAL_DATABASE = "WRENN_TEST_DATABASE_URL";

/** What machines of the tests run on; read by tests/support/real-machines.ts. */
const ACCELERATOR = "WRENN_TEST_ACCELERATOR";

/** Draws what a run takes of tests that take long; `--long` takes all. */
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);

interface TestOptions {
  readonly long?: boolean;
  /** Part of the paths of the files to run, or the name of a group. */
  readonly only?: string;
}

/** Installs what is missing, runs the static checks and every test, and ends with one line of counts. */
export async function test(options: TestOptions): Promise<void> {
  const long = options.long ?? false;
  await prepareHost({ forTests: true, forLongTests: long });
  if (options.only === undefined) await check();
  await using _ = await shareWork();
  const changedBefore = await changedFiles();
  const before = await findLeftovers();
  for (const item of before) process.stdout.write(`there before: ${item}\n`);
  const total: Counts = { passed: 0, failed: 0, skipped: 0, unsteady: [], failures: [] };
  for (const group of groups) {
    const files = await filesOf(group, options);
    if (files.length === 0 || (group.kvm && !long)) continue;
    process.stdout.write(`\n── ${group.name}, ${minutes()} min after the start\n`);
    const run = () => runGroup(files, group.concurrency, long);
    const counts = await (group.external
      ? onExternalDatabase(run)
      : group.kvm
        ? underKvm(files, run)
        : run());
    add(total, counts);
  }
  const left = (await findLeftovers()).filter((item) => !before.includes(item));
  for (const item of left) process.stdout.write(`left behind: ${item}\n`);
  // Installing, building and testing change no file of the repository, the lock file included.
  const changed = (await changedFiles()).filter((line) => !changedBefore.includes(line));
  for (const line of changed) process.stdout.write(`changed in the checkout: ${line}\n`);
  for (const file of total.unsteady) process.stdout.write(`unsteady, passed at its second run: ${file}\n`);
  for (const failure of total.failures) process.stdout.write(`${failure}\n`);
  if (left.length + changed.length > 0 || total.unsteady.length > MOST_UNSTEADY) total.failed++;
  process.stdout.write(
    `\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped, ${minutes()} min\n`,
  );
  if (total.failed > 0 || total.passed === 0) throw new CommandExit(1);
}

/** What git says has changed in the checkout; nothing where there is no git or no repository. */
async function changedFiles(): Promise<readonly string[]> {
  const { code, stdout } = await tryCommand(["git", "-C", projectRoot, "status", "--porcelain"]);
  return code === 0 ? stdout.split("\n").filter((line) => line !== "") : [];
}

/**
 * What one process of the run made, the next ones use: compiled code, of which every test file imports much of the same, the
 * database cluster that tests copy (packages/database/test/support/seeded-cluster.ts), and what machines run on
 * (tests/support/chosen-accelerator.ts).
 */
async function shareWork(): Promise<AsyncDisposable> {
  const directory = await mkdtemp("/tmp/wrenn-test-run-");
  // The database server is another user.
  await chmod(directory, 0o711);
  const shared = {
    NODE_COMPILE_CACHE: "code",
    WRENN_TEST_CLUSTERS: "clusters",
    WRENN_TEST_FINDINGS: "findings",
  };
  for (const [variable, name] of Object.entries(shared)) {
    await mkdir(join(directory, name), { mode: 0o711 });
    process.env[variable] = join(directory, name);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const variable of Object.keys(shared)) delete process.env[variable];
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function minutes(): string {
  return (process.uptime() / 60).toFixed(1);
}

/** The group's files whose path contains `only`; all of them where it is the group's name. A sample is part of the group. */
async function filesOf(group: Group, { long, only }: TestOptions): Promise<string[]> {
  const found = glob([...group.patterns], { cwd: projectRoot, exclude: [...(group.except ?? [])] });
  const files: ReadTest[] = [];
  for await (const file of found) {
    if (file.includes("node_modules")) continue;
    if (only !== undefined && only !== group.name && !file.includes(only)) continue;
    const path = `${projectRoot}/${file}`;
    const text = await readFile(path, "utf8");
    if (long || !group.sample || group.sample(file, text)) files.push({ path, text });
  }
  files.sort((one, other) => (one.path < other.path ? -1 : 1));
  const all = files.map(({ path }) => path);
  if (long || only !== undefined) return all;
  const drawn = drawTests(files, seed).map(({ path }) => path);
  const taken = group.drawsHalf ? drawn.filter((_path, index) => (index + seed) % 2 === 0) : drawn;
  if (taken.length < all.length)
    process.stdout.write(
      `\nWRENN_TEST_SEED=${seed} drew ${taken.length} of ${all.length} files of ${group.name}\n`,
    );
  return taken;
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
    return { passed: 0, failed: 0, skipped: files.length, unsteady: [], failures: [] };
  }
  process.env[ACCELERATOR] = "kvm";
  try {
    return await run();
  } finally {
    delete process.env[ACCELERATOR];
  }
}

async function runGroup(files: readonly string[], concurrency: number, long: boolean): Promise<Counts> {
  if (long) process.env["WRENN_TEST_LONG"] = "1";
  const limits = LIMITS[long ? "long" : "short"];
  const texts = await Promise.all(files.map((path) => readFile(path, "utf8")));
  const isAlone = (_path: string, at: number): boolean => runsAlone(texts[at] ?? "");
  const alone = files.filter(isAlone);
  const counts = await runFiles(
    files.filter((path) => !alone.includes(path)),
    concurrency,
    limits,
  );
  add(counts, await runFiles(alone, 1, limits));
  return counts;
}

function add(total: Counts, { passed, failed, skipped, unsteady, failures }: Counts): void {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
  total.unsteady = [...total.unsteady, ...unsteady];
  total.failures = [...total.failures, ...failures];
}
