import assert from "node:assert/strict";
import { test } from "node:test";
import { PhaseLog } from "../src/phase-log.ts";
import type { Clock } from "../src/clock.ts";

/** A clock that a test moves. */
function handClock(): Clock & { move: (ms: number) => void } {
  let at = 0;
  return {
    now: () => at,
    monotonic: () => at,
    sleep: async () => {},
    move: (ms) => {
      at += ms;
    },
  };
}

test("phases follow each other, and one that occurs again adds to what it took", () => {
  const clock = handClock();
  const log = new PhaseLog(clock);
  log.begin("disk");
  clock.move(3);
  log.begin("memory");
  clock.move(5);
  log.begin("disk");
  clock.move(2);
  log.end();
  clock.move(100);
  log.end();
  assert.deepEqual(log.times(), { disk: 5, memory: 5 });
  assert.equal(log.total, 10);
});

test("work inside of work is counted once", async () => {
  const clock = handClock();
  const log = new PhaseLog(clock);
  await log.measure("capsule", async () => {
    clock.move(4);
    await log.measure("placement", async () => clock.move(6));
    log.add({ memory: 7 });
    clock.move(7 + 1);
  });
  assert.deepEqual(log.times(), { placement: 6, memory: 7, capsule: 5 });
  assert.equal(log.total, 18);
});

test("work that fails has taken its time", async () => {
  const clock = handClock();
  const log = new PhaseLog(clock);
  const failing = log.measure("guest", async () => {
    clock.move(9);
    throw new Error("it failed");
  });
  await assert.rejects(failing, /it failed/);
  assert.deepEqual(log.times(), { guest: 9 });
});

test("phases that another machine claims beyond the time of the work are left out", async () => {
  const clock = handClock();
  const log = new PhaseLog(clock);
  const work = async (ms: number, disk: number) =>
    await log.measureRemote(
      async () => clock.move(ms),
      () => ({ disk }),
    );
  await work(10, 8);
  await work(10, 11);
  await work(10, Number.POSITIVE_INFINITY);
  assert.deepEqual(log.times(), { disk: 8 });
});
