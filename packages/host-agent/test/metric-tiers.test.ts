import assert from "node:assert/strict";
import { test } from "node:test";
import { MetricTiers } from "../src/metrics/metric-tiers.ts";

const START = 1_700_000_000;

function filled(seconds: number): MetricTiers {
  const tiers = new MetricTiers();
  for (let at = 0; at < seconds; at += 5) {
    tiers.add({ timestamp: START + at, cpuPercent: at % 30 === 0 ? 60 : 0, memoryBytes: at, diskBytes: 1 });
  }
  return tiers;
}

test("the fine tier has every sample of its window and no more", () => {
  const tiers = filled(3600);
  const now = START + 3600;
  assert.equal(tiers.read("10m", now).length, 119);
  assert.equal(tiers.read("5m", now).length, 59);
});

test("coarser tiers hold the means of theirs", () => {
  const points = filled(3600).read("1h", START + 3600);
  assert.ok(points.length >= 118 && points.length <= 120, `${points.length} points`);
  for (const point of points) assert.equal(point.cpuPercent, 10);
});

test("a day is bounded", () => {
  const points = filled(3 * 86_400).read("24h", START + 3 * 86_400);
  assert.ok(points.length <= 288 && points.length > 280, `${points.length} points`);
});

test("a window without samples is empty", () => {
  assert.deepEqual(filled(60).read("5m", START + 86_400), []);
});
