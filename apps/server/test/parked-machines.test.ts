import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "@wrenn/server";
import { parkedMachines } from "../src/config/parked-machines.ts";

test("a host keeps one machine of a paused capsule for each 2 GiB of its memory, and at most eight", () => {
  for (const [memoryMib, count] of [
    [1024, 0],
    [2048, 1],
    [7900, 3],
    [16_384, 8],
    [1_048_576, 8],
  ] as const)
    assert.deepEqual(parkedMachines(readConfig({}), memoryMib), { parkedMachines: count });
});

test("the operator's number is used, also none", () => {
  const config = (text: string) => readConfig({ WRENN_PARKED_MACHINES: text });
  assert.deepEqual(parkedMachines(config("0"), 16_384), { parkedMachines: 0 });
  assert.deepEqual(parkedMachines(config("20"), 1024), { parkedMachines: 20 });
});
