import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedReads } from "@wrenn/core";

interface Row {
  readonly id: string;
  readonly value: number;
}

test("reads of one moment share a query; each gets its own row, or none", async () => {
  const queries: (readonly string[])[] = [];
  const reads = new SharedReads<Row>(async (ids) => {
    queries.push(ids);
    return ids.filter((id) => id !== "absent").map((id) => ({ id, value: id.length }));
  });
  const answers = await Promise.all(["a", "bb", "a", "absent"].map((id) => reads.read(id)));
  assert.deepEqual(
    answers.map((row) => row?.value),
    [1, 2, 1, undefined],
  );
  assert.deepEqual(queries, [["a", "bb", "absent"]]);
});

test("a read never gets what an earlier query saw", async () => {
  let value = 1;
  const gate = Promise.withResolvers<void>();
  const reads = new SharedReads<Row>(async (ids) => {
    const seen = value;
    if (seen === 1) await gate.promise;
    return ids.map((id) => ({ id, value: seen }));
  });
  const first = reads.read("a");
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  value = 2;
  const second = await reads.read("a");
  gate.resolve();
  assert.deepEqual([(await first)?.value, second?.value], [1, 2]);
});

test("a query that fails fails the reads that share it, and no other", async () => {
  let fails = true;
  const reads = new SharedReads<Row>(async (ids) => {
    if (fails) throw new Error("away");
    return ids.map((id) => ({ id, value: 0 }));
  });
  const results = await Promise.allSettled([reads.read("a"), reads.read("b")]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  fails = false;
  assert.equal((await reads.read("a"))?.id, "a");
});
