import assert from "node:assert/strict";
import { test } from "node:test";
import { shownProgress } from "../src/bench/bench-options.ts";

test("bench shows the row, the round and the remaining time", () => {
  const update = { row: "exec true", index: 3, rows: 12, rounds: 22 };
  assert.deepEqual(shownProgress({ ...update, round: undefined, leftMs: undefined }), {
    step: "preparing",
    fraction: 0.25,
    detail: "exec true",
  });
  const steps = [
    { round: 1, leftMs: undefined },
    { round: 2, leftMs: 600_000 },
    { round: 22, leftMs: 29_001 },
  ].map((part) => shownProgress({ ...update, ...part }).step);
  assert.deepEqual(steps, ["round 1 of 22", "round 2 of 22, 10 min left", "round 22 of 22, 30 s left"]);
});
