import assert from "node:assert/strict";
import { test } from "node:test";
import {
  goals,
  renderPerformancePage,
  rows,
  serialisePerformance,
  summarisePeers,
  summariseRows,
} from "@wrenn/bench";
import type { StoredPerformance, StoredRow, StoredRun } from "@wrenn/bench";
import {
  readPerformancePage,
  readStoredPerformance,
  writePerformancePage,
} from "../src/performance/performance-files.ts";
import { renderWaterfall } from "../src/performance/waterfall.ts";
import { facts } from "./support/recorded.ts";

/** Set by `npm run reference`. */
const WRITE = process.env["WRENN_WRITE_REFERENCE"] === "1";

const CREATE = "create answered (REST)";
const ECHO = "terminal echo (WebSocket)";
const RUN = "wrenn run -- true, whole process: to the API";

const around = (middle: number, spread = 0): number[] =>
  Array.from({ length: 40 }, (_, index) => middle + ((index % 5) - 2) * spread);
const row = (name: string, samples: readonly number[], changes: Partial<StoredRow> = {}): StoredRow => ({
  name,
  unit: "ms",
  samples,
  ...changes,
});
const runOf = (...results: StoredRow[]): StoredRun => ({
  date: "2026-11-29T10:00:00.000Z",
  commit: "abc123456",
  facts,
  results,
});
const pageOf = (run: StoredRun, before?: StoredRun): string =>
  renderPerformancePage({ rows: summariseRows(run, before) });
/** Cells of the first line of the page that begins with a text. */
const cells = (page: string, name: string): string[] =>
  (page.split("\n").find((line) => line.startsWith(`| ${name} |`)) ?? "")
    .split("|")
    .map((cell) => cell.trim());

test("the performance page is what the stored run says; npm run reference renews it", async () => {
  if (WRITE) await writePerformancePage();
  const text = renderPerformancePage(await readStoredPerformance());
  assert.ok(
    (await readPerformancePage()) === text,
    "docs/reference/performance.md is stale: npm run reference",
  );
});

test("the stored run names its machine, its date and its commit, and holds no samples", async () => {
  const { rows: measured, peers } = await readStoredPerformance();
  for (const run of [measured, peers]) assert.ok((run?.facts.cores ?? 0) > 0 && run?.date && run.commit);
  assert.ok(!JSON.stringify({ measured, peers }).includes('"samples"'));
});

test("every goal is a row of the bench with something asked, and no row is in the table twice", () => {
  const names = goals.map(({ row: { name } }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { row: goal } of goals) {
    assert.ok(rows.includes(goal), goal.name);
    assert.ok(goal.asked ?? goal.askedDifferenceMs, goal.name);
  }
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
});

test("a row is shown with what it was, what is asked, its interval and whether it is met", () => {
  const page = pageOf(runOf(row(CREATE, around(120, 1)), row(ECHO, [...around(1, 0), 40])));
  assert.deepEqual(cells(page, CREATE).slice(1, -1), [
    CREATE,
    "260–328 ms",
    "p50 ≤ 140",
    "120 ms [119 to 121]",
    "122 ms",
    "40",
    "met",
  ]);
  assert.equal(cells(page, ECHO)[7], "**missed**", "the median is met, the 99th percentile is not");
  assert.equal(cells(page, "exec /bin/true (REST)")[4], "not measured");
});

test("a paired row is judged by its difference, and is not decided where noise hides it", () => {
  const paired = (spread: number): StoredRow => {
    const pairs = around(300, spread).map((wholeMs) => ({ wholeMs, baseMs: 100 }));
    return row(
      RUN,
      pairs.map(({ wholeMs }) => wholeMs / 100),
      { unit: "ratio", pairs },
    );
  };
  const quiet = pageOf(runOf(paired(1)));
  assert.deepEqual(cells(quiet, RUN).slice(3, 8), [
    "difference ≤ 250 ms",
    "3.00 [2.99 to 3.01]",
    "–",
    "40",
    "met",
  ]);
  assert.match(quiet, /^- wrenn run .*: 300 and 100, ratio 2\.99 to 3\.01, difference 200 /m);
  const noisy = pageOf(runOf(paired(200)));
  assert.equal(cells(noisy, RUN)[7], "not decided, too much noise");
});

test("a run before adds ratios, which are not resolved where their interval holds 1", () => {
  const page = pageOf(
    runOf(row(CREATE, around(140, 1)), row(ECHO, around(2, 0.5))),
    runOf(row(CREATE, around(280, 1)), row(ECHO, around(2, 0.5))),
  );
  assert.match(cells(page, CREATE)[8] ?? "", /^0\.50 × \(0\.\d\d to 0\.\d\d\)$/);
  assert.match(cells(page, ECHO)[8] ?? "", /^not resolved \(/);
  assert.ok(page.includes("The run before: 2026-11-29, commit abc123456."));
});

test("phases are drawn as waterfalls, and a run without them has none", () => {
  const phases = [
    { request: "create", phases: { placement: 5, machine: 60, guest: 35, total: 100 } },
    { request: "exec", phases: { total: 3 } },
  ];
  const page = pageOf(runOf(row(CREATE, around(105), { phases })));
  assert.match(page, /### Create, nothing waiting\n\n```text\nplacement +5\.00 {2}██\nmachine/);
  assert.ok(!page.includes("### Pause"));
  assert.ok(!pageOf(runOf(row(CREATE, around(105)))).includes("Waterfalls"));
});

test("a waterfall begins each phase where the one before ends, and shows short ones as a line", () => {
  assert.deepEqual(renderWaterfall({ placement: 10, queue: 0.1, machine: 30, total: 40.1 }), [
    "placement  10.0  ██████████",
    "queue      0.10            ▏",
    `machine    30.0            ${"█".repeat(30)}`,
    `total      40.1  ${"█".repeat(40)}`,
  ]);
  // Medians of phases can add up to more than the median of the total.
  for (const line of renderWaterfall({ machine: 30, guest: 30, total: 40 }))
    assert.ok(line.length <= 60, line);
  assert.equal(renderWaterfall({ total: 0 }).length, 1);
});

test("peers are shown with ratios, what each isolates and what was not measured", () => {
  const samples = { firstOutput: around(200, 1) };
  const page = renderPerformancePage({
    peers: summarisePeers({
      ...runOf(),
      peers: [
        { name: "Wrenn", isolates: "own kernel", isWrenn: true, samples, unavailable: {} },
        {
          name: "podman, bridge (runc)",
          isolates: "namespaces",
          isWrenn: false,
          samples: { firstOutput: around(250, 1) },
          unavailable: { exec: "it | broke" },
        },
      ],
    }),
  });
  assert.match(
    page,
    /\| fresh machine → first output \| Wrenn \| 200 ms \| podman, bridge \(runc\) \| 250 ms \| 0\.80 \(0\.\d\d to 0\.\d\d\) \| ≤ 0\.5 \| \*\*missed\*\* \|/,
  );
  assert.ok(page.includes("- podman, bridge (runc): namespaces\n"));
  assert.ok(page.includes("command in a running machine → output. Reason: it | broke\n"));
  assert.ok(page.includes("No rows are stored."));
});

test("what is stored gives the same page, with four digits of each number", () => {
  const performance: StoredPerformance = {
    rows: summariseRows(runOf(row(CREATE, around(123.412_345, 0.1))), runOf(row(CREATE, around(200, 3)))),
  };
  const text = serialisePerformance(performance);
  assert.ok(text.includes('"p50": 123.4'), text);
  const read = JSON.parse(text) as StoredPerformance;
  assert.equal(renderPerformancePage(read).includes("123 ms ["), true);
  assert.equal(serialisePerformance(read), text);
});
