import assert from "node:assert/strict";
import { test } from "node:test";
import { goals, rows } from "@wrenn/bench";
import { chosenRows } from "../src/bench/bench-options.ts";

test("--goals measures exactly the rows with a goal on the performance page", () => {
  assert.deepEqual(new Set(chosenRows({ goals: true })), new Set(goals.map(({ row }) => row)));
});

test("options that choose rows are combined, and without one every row is measured", () => {
  assert.deepEqual(chosenRows({}), rows);
  const both = chosenRows({ goals: true, quick: true, only: "create" });
  assert.ok(both.length > 0 && both.every(({ name, isQuick }) => isQuick && name.includes("create")));
  assert.deepEqual(chosenRows({ only: "no row has this in its name" }), []);
});
