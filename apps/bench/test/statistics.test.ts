import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { summarise } from "@wrenn/bench";
import { samplePairs } from "../src/row.ts";
import { summarisePairs } from "../src/statistics.ts";

test("quantiles are measured values in ascending order", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }), (samples) => {
      const { min, p50, p90, p99, max } = summarise(samples);
      const figures = [min, p50, p90, p99, max];
      for (const value of figures) assert.ok(samples.includes(value));
      assert.deepEqual(
        figures,
        [...figures].sort((a, b) => a - b),
      );
      assert.equal(min, Math.min(...samples));
      assert.equal(max, Math.max(...samples));
    }),
  );
});

test("the median of 1 to 100 is 50 and the 99th percentile 99", () => {
  const summary = summarise(Array.from({ length: 100 }, (_, index) => index + 1));
  assert.deepEqual([summary.p50, summary.p90, summary.p99], [50, 90, 99]);
});

test("no samples is an error, not a zero", () => {
  assert.throws(() => summarise([]), RangeError);
});

test("of pairs each of the two is first in turn", async () => {
  const order: string[] = [];
  const busy = (name: string, ms: number) => async () => {
    order.push(name);
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  const pairs = await samplePairs(2, busy("whole", 8), busy("base", 4))();
  assert.deepEqual(order, ["base", "whole", "whole", "base"]);
  for (const { wholeMs, baseMs } of pairs) assert.ok(wholeMs >= 8 && baseMs >= 4);
});

test("pairs are summarised by the differences of each, not by the difference of the medians", () => {
  const pairs = [
    { wholeMs: 11, baseMs: 10 },
    { wholeMs: 103, baseMs: 100 },
    { wholeMs: 20, baseMs: 22 },
  ];
  assert.deepEqual(summarisePairs(pairs), {
    wholeP50: 20,
    baseP50: 22,
    ratio: { p50: 1.03, interval: undefined },
    difference: { p25: -2, p50: 1, p75: 3, interval: undefined },
  });
  assert.throws(() => summarisePairs([]), RangeError);
});

test("the interval of a median has the ranks of the binomial distribution", () => {
  const pairs = Array.from({ length: 100 }, (_, index) => ({ wholeMs: index + 1, baseMs: 0 }));
  // Ranks 40 and 61 of 100 hold the median with 95 %.
  assert.deepEqual(summarisePairs(pairs).difference.interval, [40, 61]);
  assert.deepEqual(summarisePairs(pairs.slice(0, 6)).difference.interval, [1, 6]);
  assert.equal(summarisePairs(pairs.slice(0, 5)).difference.interval, undefined);
});
