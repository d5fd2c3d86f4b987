import assert from "node:assert/strict";
import { test } from "node:test";
import { requireKnownOptions, secondsOf } from "../src/transport/options.ts";

test("an unknown option is refused by name, with the one that was meant", () => {
  const known = ["timeoutMs", "envs", "memoryMib"];
  requireKnownOptions("run", { envs: {}, timeoutMs: 1 }, known);
  requireKnownOptions("run", undefined, known);
  for (const [name, remedy] of [
    ["timeout", "Use 'timeoutMs'."],
    ["timeoutms", "Use 'timeoutMs'."],
    ["memory_mb", "Use 'memoryMib'."],
    ["colour", "Its options are timeoutMs, envs, memoryMib."],
  ] as const)
    assert.throws(() => requireKnownOptions("run", { [name]: 1 }, known), {
      code: "unknown_option",
      message: `run has no option '${name}'`,
      remedy,
    });
});

test("durations are sent in whole seconds that are not shorter", () => {
  assert.deepEqual(
    [0, 1, 1000, 1001].map((ms) => secondsOf("create", "idleTimeoutMs", ms)),
    [0, 1, 1, 2],
  );
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY])
    assert.throws(() => secondsOf("create", "idleTimeoutMs", ms), { code: "invalid_option" });
});
