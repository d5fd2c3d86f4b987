import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KeyedQueue, SKIPPED } from "@wrenn/core";

test("tasks of one key never overlap and run in order, whatever fails", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom("a", "b"), fails: fc.boolean(), turns: fc.nat(3) })),
      async (tasks) => {
        const queue = new KeyedQueue();
        const running = new Set<string>();
        const order: Record<string, number[]> = { a: [], b: [] };
        const results = await Promise.allSettled(
          tasks.map((task, index) =>
            queue.run(task.key, async () => {
              assert.ok(!running.has(task.key), "two tasks of one key at once");
              running.add(task.key);
              for (let turn = 0; turn < task.turns; turn++) await Promise.resolve();
              running.delete(task.key);
              order[task.key]?.push(index);
              if (task.fails) throw new Error("task failed");
              return index;
            }),
          ),
        );
        for (const indexes of Object.values(order))
          assert.deepEqual(
            indexes,
            [...indexes].sort((x, y) => x - y),
          );
        for (const [index, result] of results.entries()) {
          assert.equal(result.status, tasks[index]?.fails ? "rejected" : "fulfilled");
        }
        await queue.drain();
        assert.ok(!queue.busy("a") && !queue.busy("b"));
      },
    ),
  );
});

test("tryRun steps aside while the key is busy and runs when it is free", async () => {
  const queue = new KeyedQueue();
  const gate = Promise.withResolvers<void>();
  const first = queue.run("a", () => gate.promise);
  assert.equal(await queue.tryRun("a", async () => "ran"), SKIPPED);
  assert.equal(await queue.tryRun("b", async () => "ran"), "ran");
  gate.resolve();
  await first;
  assert.equal(await queue.tryRun("a", async () => "ran"), "ran");
});
