import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricsPoint } from "@wrenn/sdk";
import { ratesOf } from "../src/lib/capsules/views/metric-rates.ts";
import { relativeTime } from "../src/lib/ui/relative-time.ts";

/* Values as pages show them. */

test("times are said in words, and seconds are not counted", () => {
  const now = Date.UTC(2026, 0, 1);
  const said = (seconds: number): string => relativeTime(now + seconds * 1000, now);
  assert.equal(said(-1), "just now");
  assert.equal(said(-59), "just now");
  assert.equal(said(20), "in a moment");
  assert.equal(said(-60), "1 minute ago");
  assert.equal(said(-7200), "2 hours ago");
  assert.equal(said(7 * 86_400), "in 7 days");
  assert.equal(said(90 * 86_400), "in 3 months");
  assert.equal(said(366 * 86_400), "in 1 year");
});

test("bytes since the point before are rates; the first point has none", () => {
  const point = (second: number, networkInBytes?: number): MetricsPoint => ({
    at: new Date(second * 1000),
    cpuPercent: 0,
    memoryBytes: 0,
    diskBytes: 0,
    ...(networkInBytes === undefined ? {} : { networkInBytes }),
  });
  const points = [point(0, 500), point(1, 100), point(6, 100), point(6, 7), point(8)];
  assert.deepEqual(
    ratesOf(points, ({ networkInBytes }) => networkInBytes),
    [null, 100, 20, null, null],
  );
});
