import assert from "node:assert/strict";
import { before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import type { MeasuredTurns } from "../support/loop-turns-process.ts";

/** Longer turns hold up the keystrokes of everyone. */
const LIMIT_MS = 5;
const WARM_UP = 3;
/** The garbage collector or the compiler may take a turn in some rounds; what the server does itself takes one in each. */
const ROUNDS = 7;
const MEASURING_MS = 240_000;

let turns: MeasuredTurns;
before(async () => {
  const program = new URL("../support/loop-turns-process.ts", import.meta.url).pathname;
  const { stdout } = await runCommand(
    [process.execPath, program, ...[2 * LIMIT_MS, WARM_UP, ROUNDS].map(String)],
    { signal: AbortSignal.timeout(MEASURING_MS) },
  );
  turns = JSON.parse(stdout) as MeasuredTurns;
});

test("a turn that holds up the event loop is measured, and waiting is not", () => {
  const { busy, waiting } = turns;
  assert.ok(busy >= 2 * LIMIT_MS, `${busy} ms`);
  assert.equal(waiting.length, ROUNDS);
  assert.ok(Math.min(...waiting) < LIMIT_MS / 2, `${waiting.join(", ")} ms`);
});

test("no turn of the event loop takes more than 5 ms of processor time in a create, pause, resume or destroy", () => {
  assert.deepEqual(Object.keys(turns.verbs), ["create", "pause", "resume", "destroy"]);
  for (const [name, longest] of Object.entries(turns.verbs)) {
    const shown = longest.map((ms) => ms.toFixed(1)).join(", ");
    assert.equal(longest.length, ROUNDS, name);
    assert.ok(Math.min(...longest) < LIMIT_MS, `${name}: the longest turns took ${shown} ms`);
  }
});
