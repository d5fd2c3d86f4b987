import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseStoredRun, ratioOfMedians, renderComparison, summarise } from "@wrenn/bench";
import type { RowResult, StoredRun } from "@wrenn/bench";

const around = (middle: number, spread: number): number[] =>
  Array.from({ length: 41 }, (_, index) => middle + ((index - 20) / 20) * spread);

function row(name: string, samples: readonly number[], better: "lower" | "higher" = "lower"): RowResult {
  const summary = summarise(samples);
  const common = { asked: undefined, askedDifferenceMs: undefined, pairs: [], phases: [] };
  return { ...common, name, unit: better === "lower" ? "ms" : "MB/s", better, samples, summary };
}

const stored = (...results: RowResult[]): StoredRun => ({ results }) as unknown as StoredRun;

test("the ratio of medians lies in its interval, which is the same each time and scales with the samples", () => {
  const times = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(times, times, (before, after) => {
      const { ratio, interval } = ratioOfMedians(before, after);
      assert.ok(interval[0] <= interval[1] && interval[0] > 0);
      assert.deepEqual(ratioOfMedians(before, after), { ratio, interval });
      const doubled = ratioOfMedians(
        before,
        after.map((time) => time * 2),
      );
      assert.equal(doubled.ratio, ratio * 2);
      assert.deepEqual(
        doubled.interval,
        interval.map((bound) => bound * 2),
      );
    }),
    { numRuns: 20 },
  );
});

test("the interval holds the true ratio of two lists of one distribution, and not 1 where one is far slower", () => {
  const same = ratioOfMedians(around(100, 30), around(100, 30));
  assert.ok(same.interval[0] < 1 && same.interval[1] > 1, String(same.interval));
  const slower = ratioOfMedians(around(100, 10), around(200, 10));
  assert.ok(slower.interval[0] > 1.8 && slower.interval[1] < 2.2, String(slower.interval));
});

test("a comparison says better, worse or not resolved, by what is better for the row", () => {
  const before = stored(
    row("faster", around(100, 10)),
    row("slower", around(100, 10)),
    row("noise", around(100, 50)),
    row("throughput", around(100, 10), "higher"),
    row("gone", around(1, 0)),
  );
  const text = renderComparison(before, [
    row("faster", around(50, 5)),
    row("slower", around(150, 5)),
    row("noise", around(101, 50)),
    row("throughput", around(150, 5), "higher"),
    row("new", around(1, 0)),
  ]);
  const verdicts = Object.fromEntries(
    text
      .split("\n")
      .slice(1)
      .map((line) => [line.split(" ")[0], /(better|worse|not resolved)$/.exec(line)?.[1]]),
  );
  assert.deepEqual(verdicts, {
    "": undefined,
    faster: "better",
    slower: "worse",
    noise: "not resolved",
    throughput: "better",
  });
  assert.equal(renderComparison(stored(), [row("new", [1])]), "no row was measured by both runs\n");
});

test("a text that holds no stored run is refused", () => {
  for (const text of [
    "",
    "{",
    "null",
    "[]",
    "{}",
    '{"results":[null]}',
    '{"results":[{"name":"x","unit":"ms","samples":[]}]}',
  ])
    assert.equal(parseStoredRun(text), undefined, text);
  assert.equal(parseStoredRun(JSON.stringify(stored(row("x", [1, 2]))))?.results[0]?.name, "x");
});
