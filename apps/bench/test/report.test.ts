import assert from "node:assert/strict";
import { test } from "node:test";
import { measurableRows, renderReport, summarise } from "@wrenn/bench";
import type { RowResult } from "@wrenn/bench";
import { facts } from "./support/recorded.ts";

/** Pairs whose differences are 1 ms in the median, and as far from it as `noiseMs`. */
function pairedRow(askedDifferenceMs: number | undefined, noiseMs: number): RowResult {
  const pairs = Array.from({ length: 101 }, (_, index) => ({
    wholeMs: 11 + ((index - 50) / 50) * noiseMs,
    baseMs: 10,
  }));
  const samples = pairs.map(({ wholeMs, baseMs }) => wholeMs / baseMs);
  const summary = summarise(samples);
  return {
    name: "whole to base",
    unit: "ratio",
    asked: undefined,
    better: "lower",
    askedDifferenceMs,
    pairs,
    samples,
    summary,
    phases: [],
  };
}

test("a row of pairs is reported with both medians, the difference of pairs, its interval and the verdict", () => {
  const report = (asked: number | undefined, noiseMs: number): string =>
    renderReport(facts, [pairedRow(asked, noiseMs)]);
  const line =
    "whole to base: 11.0 and 10.0, ratio 1.08 to 1.12, difference 1.00 (95 % interval 0.78 to 1.22, quartiles 0.50 to 1.50)";
  assert.ok(report(2, 1).includes(`${line}, asked ≤ 2.00: met\n`), report(2, 1));
  assert.ok(report(0.5, 1).includes(`${line}, asked ≤ 0.50: missed\n`));
  assert.ok(report(undefined, 1).includes(`${line}\n`));
  assert.match(
    report(2, 20),
    /difference not resolved \(±5\.40\) .* asked ≤ 2\.00: not decided, too much noise\n/,
  );
});

test("five pairs and five samples decide nothing", () => {
  const row = pairedRow(2, 1);
  const few = { ...row, pairs: row.pairs.slice(0, 5) };
  assert.ok(
    renderReport(facts, [few]).includes(
      "difference not resolved (fewer than 6 pairs), asked ≤ 2.00: not decided, too few samples\n",
    ),
  );
  const single = (count: number): string =>
    renderReport(facts, [
      {
        ...row,
        askedDifferenceMs: undefined,
        asked: { p50: 2, better: "lower" },
        pairs: [],
        summary: summarise(row.samples.slice(0, count)),
      },
    ]);
  assert.match(single(5), /p50 ≤ 2\.00 +not decided, too few samples\n/);
  assert.match(single(6), /p50 ≤ 2\.00 +met\n/);
});

test("rows that this machine cannot measure are left out, and the report names what is missing", () => {
  const row = { name: "in a browser", unit: "ms", prepare: async () => assert.fail() } as const;
  const blind = { ...row, name: "without a browser", missing: () => "no browser" };
  const { measurable, leftOut } = measurableRows([blind, { ...row, missing: () => undefined }]);
  assert.deepEqual(
    measurable.map(({ name }) => name),
    ["in a browser"],
  );
  assert.match(renderReport(facts, [], leftOut), /^not measured: without a browser: no browser$/m);
});
