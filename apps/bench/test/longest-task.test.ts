import assert from "node:assert/strict";
import { test } from "node:test";
import { mainThreadTasks } from "../src/dashboard/longest-task.ts";

const MARK = "here";
const task = (tid: number, dur: number, name = "RunTask") => ({
  name,
  ph: "X",
  pid: 7,
  tid,
  ts: 0,
  dur,
});
const mark = { name: MARK, ph: "I", pid: 7, tid: 1, ts: 5 };
const trace = (...traceEvents: readonly object[]): string => JSON.stringify({ traceEvents });

test("the longest task is that of the thread on which the page set its mark", () => {
  const busyElsewhere = [task(2, 900_000), { ...task(1, 800_000), pid: 8 }, task(1, 700_000, "Layout")];
  const found = mainThreadTasks(trace(task(1, 12_500), ...busyElsewhere, mark, task(1, 31_250)), MARK);
  assert.deepEqual(found, { count: 2, longestMs: 31.25 });
});

test("a trace without the mark, or without tasks of its thread, is refused instead of measured", () => {
  assert.throws(() => mainThreadTasks(trace(task(1, 5)), MARK), /no mark/);
  assert.throws(() => mainThreadTasks(trace(mark, task(2, 5)), MARK), /no tasks/);
});
