import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { MachineStarts } from "../src/machines/machine-starts.ts";

/** A clock whose sleepers wake together. */
function manualClock() {
  const sleepers: (() => void)[] = [];
  return {
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        sleepers.push(resolve);
        signal?.addEventListener("abort", () => reject(signal.reason as unknown));
      }),
    wake: () => {
      for (const wake of sleepers.splice(0)) wake();
    },
  };
}

const { signal } = new AbortController();

test("two machines for each processor start at a time", async () => {
  const starts = new MachineStarts(2, manualClock());
  let begun = 0;
  const all = Array.from({ length: 6 }, async () => {
    const start = await starts.begin(signal);
    begun += 1;
    return start;
  });
  await setImmediate();
  assert.equal(begun, 4);
  (await all[0])?.[Symbol.dispose]();
  await setImmediate();
  assert.equal(begun, 5);
  (await all[1])?.[Symbol.dispose]();
  assert.equal((await Promise.all(all)).length, 6);
});

test("guests that do not answer make way for other starts", async () => {
  const clock = manualClock();
  const starts = new MachineStarts(1, clock);
  for (let one = 0; one < 2; one += 1) (await starts.begin(signal)).restored();
  const next = starts.begin(signal);
  clock.wake();
  (await next)[Symbol.dispose]();
});
