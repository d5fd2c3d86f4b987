import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { summarise } from "@wrenn/bench";
import { pairedRatio } from "../src/row.ts";

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

test("a paired ratio is positive, and takes each of its two first in turn", async () => {
  const order: string[] = [];
  const busy = (name: string, ms: number) => async () => {
    order.push(name);
    const until = performance.now() + ms;
    while (performance.now() < until);
  };
  const sample = pairedRatio(busy("whole", 8), busy("base", 4));
  const ratios = [await sample(), await sample()];
  assert.deepEqual(order, ["base", "whole", "whole", "base"]);
  for (const ratio of ratios) assert.ok(ratio > 0 && ratio < 20, String(ratio));
});
