import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupedWrites } from "@wrenn/core";

test("what is asked for while a write is under way shares the next one, each with an answer of its own", async () => {
  const groups: (readonly number[])[] = [];
  let underWay = 0;
  const writes = new GroupedWrites<number, string>(async (items) => {
    assert.equal(++underWay, 1, "one at a time");
    groups.push(items);
    await new Promise((resolve) => setTimeout(resolve, 5));
    underWay--;
    return items.map((item) => (item % 5 === 4 ? new Error(`no ${item}`) : `done ${item}`));
  });
  const first = writes.write(0);
  await new Promise((resolve) => setImmediate(resolve));
  const others = Promise.allSettled(Array.from({ length: 100 }, (_, at) => writes.write(at + 1)));
  assert.equal(await first, "done 0");
  const answers = await others;
  assert.deepEqual(
    groups.map((group) => group.length),
    [1, 64, 36],
  );
  assert.deepEqual(groups.flat(), [...Array.from({ length: 101 }).keys()]);
  for (const [at, answer] of answers.entries()) {
    if (answer.status === "fulfilled") assert.equal(answer.value, `done ${at + 1}`);
    else assert.equal((answer.reason as Error).message, `no ${at + 1}`);
    assert.equal(answer.status === "rejected", (at + 1) % 5 === 4);
  }
});

test("a write that fails fails for all of its group, and for nobody after it", async () => {
  let fails = true;
  const writes = new GroupedWrites<number, number>(async (items) => {
    if (fails) throw new Error("the database is away");
    return items;
  });
  const both = await Promise.allSettled([writes.write(1), writes.write(2)]);
  assert.deepEqual(
    both.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  fails = false;
  assert.equal(await writes.write(3), 3);
});
