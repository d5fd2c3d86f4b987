import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import { ConcurrencyLimit } from "../src/index.ts";

test("callers beyond the limit wait, and get their places in order", async () => {
  const limit = new ConcurrencyLimit(2);
  const order: number[] = [];
  const leaves: (() => void)[] = [];
  const all = [0, 1, 2, 3].map(async (caller) => {
    leaves[caller] = await limit.enter();
    order.push(caller);
  });
  await setImmediate();
  assert.deepEqual(order, [0, 1]);
  leaves[1]?.();
  leaves[1]?.();
  await setImmediate();
  assert.deepEqual(order, [0, 1, 2], "a place that is given back twice is one place");
  leaves[0]?.();
  await Promise.all(all);
  assert.deepEqual(order, [0, 1, 2, 3]);
});

test("a caller whose signal aborts leaves the queue to the others", async () => {
  const limit = new ConcurrencyLimit(1);
  const leave = await limit.enter();
  const stop = new AbortController();
  const given = limit.enter(stop.signal);
  const next = limit.enter();
  stop.abort(new Error("no longer needed"));
  await assert.rejects(given, /no longer needed/);
  leave();
  (await next)();
  await assert.rejects(limit.enter(AbortSignal.abort(new Error("too late"))), /too late/);
  (await limit.enter())();
});

test("work that fails gives its place back", async () => {
  const limit = new ConcurrencyLimit(1);
  await assert.rejects(
    limit.run(() => Promise.reject(new Error("failed"))),
    /failed/,
  );
  assert.equal(await limit.run(async () => 1), 1);
});
