import assert from "node:assert/strict";
import { test } from "node:test";
import { drawTests } from "../src/testing/drawn-tests.ts";

const files = ["a", "b", "c", "d", "e"].map((path) => ({
  path,
  text: path === "c" ? "" : "/* Drawn: its parts have tests of their own. */",
}));

test("each run takes half of the files that say so, and all others; two seeds together take everything", () => {
  const [even, odd] = [0, 1].map((seed) => drawTests(files, seed).map(({ path }) => path));
  assert.deepEqual(even, ["a", "c", "d"]);
  assert.deepEqual(odd, ["b", "c", "e"]);
  assert.deepEqual(drawTests(files, 2), drawTests(files, 0));
});
