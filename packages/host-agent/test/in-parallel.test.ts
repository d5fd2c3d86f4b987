import assert from "node:assert/strict";
import { test } from "node:test";
import { inParallel } from "../src/capsules/operations/in-parallel.ts";

test("results are in order, and never more than the width is under way", async () => {
  let running = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, (item * 7) % 5));
    running -= 1;
    return item * 2;
  };
  const items = Array.from({ length: 20 }, (_, index) => index);
  assert.deepEqual(
    await inParallel(items, 3, work),
    items.map((item) => item * 2),
  );
  assert.equal(most, 3);
  assert.deepEqual(await inParallel([], 3, work), []);
});

test("after a failure nothing new is begun, and what was begun is over when it is told", async () => {
  const begun: number[] = [];
  let over = 0;
  const work = async (item: number): Promise<void> => {
    begun.push(item);
    await new Promise((resolve) => setTimeout(resolve, item === 1 ? 2 : 20));
    over += 1;
    if (item === 1) throw new Error("no");
  };
  await assert.rejects(inParallel([0, 1, 2, 3, 4, 5], 2, work), /no/);
  assert.deepEqual(begun, [0, 1]);
  assert.equal(over, 2);
});
