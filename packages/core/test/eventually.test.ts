import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";

test("eventually returns the first truthy value", async () => {
  let looks = 0;
  const value = await eventually("three looks", () => (++looks === 3 ? "done" : undefined), {
    intervalMs: 1,
  });
  assert.equal(value, "done");
  assert.equal(looks, 3);
});

test("eventually reports the condition, the last value and the details when the time runs out", async () => {
  const waiting = eventually("it is paused", async () => await Promise.resolve(0), {
    timeoutMs: 5,
    intervalMs: 1,
    details: () => ({ status: "running" }),
  });
  await assert.rejects(waiting, {
    message: "not within 5 ms: it is paused; last: 0; { status: 'running' }",
  });
});

test("an error of the check ends the wait", async () => {
  const failing = eventually("never", () => {
    throw new Error("broken");
  });
  await assert.rejects(failing, { message: "broken" });
});
