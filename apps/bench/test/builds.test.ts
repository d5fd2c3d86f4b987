import assert from "node:assert/strict";
import { test } from "node:test";
import { beyondLastStep, timePerStep } from "../src/builds.ts";
import type { MeasuredBuild, TimedLine } from "../src/builds.ts";

const line = (step: number, ms: number): TimedLine => ({ step, text: "", at: new Date(ms).toISOString() });
const made = (cached: readonly boolean[]): MeasuredBuild => ({
  id: "bld-1",
  status: "success",
  created_at: new Date(1000).toISOString(),
  durations: {},
  logs: cached.map((isCached) => ({ cached: isCached, elapsed_ms: isCached ? 0 : 300 })),
});

test("what a build takes beyond its last step ends when the step is kept, and is of that step alone", () => {
  const lines = [line(1, 1400), line(2, 1500), line(2, 1800), line(0, 2100), line(0, 9000)];
  assert.equal(beyondLastStep(made([true, false]), lines), 800);
  assert.equal(timePerStep(lines), 350);
  assert.throws(() => beyondLastStep(made([false, false]), lines), /not exactly the last step/);
  assert.throws(() => beyondLastStep(made([true, true]), lines), /not exactly the last step/);
  assert.throws(() => beyondLastStep(made([true, false]), lines.slice(0, 3)), /ends with its steps/);
  const early = [line(1, 0), line(2, 10), line(2, 310), line(0, 310)];
  assert.throws(() => beyondLastStep(made([true, false]), early), /clocks/);
  assert.throws(() => timePerStep([]), /no steps/);
});
