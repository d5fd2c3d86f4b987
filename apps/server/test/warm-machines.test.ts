import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "@wrenn/server";
import { warmMachines } from "../src/config/warm-machines.ts";

test("machines wait by default, as many as the host has room for, and are made while it is idle", () => {
  const byDefault = readConfig({});
  for (const [cores, count] of [
    [1, 1],
    [2, 1],
    [3, 1],
    [4, 2],
    [64, 2],
  ] as const)
    assert.deepEqual(warmMachines(byDefault, cores), { warmMachines: count, warmWhenIdle: true });
});

test("the operator's number is kept on a busy host, too", () => {
  assert.deepEqual(warmMachines(readConfig({ WRENN_WARM_MACHINES: "0" }), 64), { warmMachines: 0 });
  assert.deepEqual(warmMachines(readConfig({ WRENN_WARM_MACHINES: "5" }), 1), { warmMachines: 5 });
});
