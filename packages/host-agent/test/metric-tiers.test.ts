import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measurement } from "@wrenn/protocol";
import { parseInterfaceTraffic } from "../src/metrics/interface-traffic.ts";
import { MetricTiers } from "../src/metrics/metric-tiers.ts";

const START = 1_700_000_000;

function pointAt(at: number, change: Partial<Measurement> = {}): Measurement {
  return {
    timestamp: START + at,
    cpuPercent: 0,
    memoryBytes: 0,
    diskBytes: 1,
    cpuCount: 2,
    memoryTotalBytes: 64,
    diskUsedBytes: 1,
    diskTotalBytes: 10,
    networkInBytes: 3,
    networkOutBytes: 2,
    ...change,
  };
}

function filled(seconds: number, step = 5): MetricTiers {
  const tiers = new MetricTiers();
  for (let at = 0; at < seconds; at += step)
    tiers.add(pointAt(at, { cpuPercent: at % 30 === 0 ? 60 : 0, memoryBytes: at }));
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

test("a capsule that is measured each second has each of the last five minutes", () => {
  const points = filled(900, 1).readSteps(START + 600, 1, START + 900);
  assert.equal(points.length, 299);
  assert.deepEqual(points[0], pointAt(601, { memoryBytes: 601 }));
});

test("coarser steps have means of levels and sums of what passed the network, at the same moments for every question", () => {
  const tiers = filled(900, 1);
  const minutes = tiers.readSteps(START + 600, 60, START + 900);
  const inside = minutes.slice(1, -1);
  assert.ok(inside.length >= 3);
  for (const { cpuPercent, networkInBytes, networkOutBytes, timestamp } of inside) {
    assert.equal(cpuPercent, 2);
    assert.deepEqual([networkInBytes, networkOutBytes], [180, 120]);
    assert.equal(timestamp % 60, 59);
  }
  const later = tiers.readSteps(START + 660, 60, START + 900).slice(1, -1);
  assert.deepEqual(later, inside.slice(-later.length));
});

test("the page cache is a mean of the measurements that have it, and absent where none has", () => {
  const tiers = new MetricTiers();
  for (let at = 0; at < 300; at += 1)
    tiers.add(pointAt(at, at >= 160 && at % 2 === 0 ? { memoryCachedBytes: at < 220 ? 10 : 30 } : {}));
  const cached = tiers.readSteps(START, 60, START + 300).map((point) => point.memoryCachedBytes);
  assert.deepEqual([...new Set(cached)], [undefined, 10, 30]);
  assert.ok(!("memoryCachedBytes" in (tiers.readSteps(START, 1, START + 300)[0] ?? {})));
});

test("measurements of a clock that was set back are kept, and each tier stays bounded", () => {
  const tiers = filled(60, 1);
  for (let at = -600; at < 600; at += 1) tiers.add(pointAt(at));
  assert.ok(tiers.readSteps(START - 10_000, 1, START).length <= 288);
  assert.equal(tiers.readSteps(START + 300, 1, START + 600).length, 299);
});

test("what passed a device is read from the kernel's table, in the directions of the capsule", () => {
  const table = [
    "Inter-|   Receive                                                |  Transmit",
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
    "    lo:       1       2    0    0    0     0          0         0        1       2    0    0    0     0       0          0",
    "  tap0:     700       3    0    0    0     0          0         0     9000       4    0    0    0     0       0          0",
  ].join("\n");
  assert.deepEqual(parseInterfaceTraffic(table, "tap0"), { inBytes: 9000, outBytes: 700 });
  assert.equal(parseInterfaceTraffic(table, "tap1"), undefined);
  assert.equal(parseInterfaceTraffic("  tap0: damaged", "tap0"), undefined);
  assert.equal(parseInterfaceTraffic("", "tap0"), undefined);
});
