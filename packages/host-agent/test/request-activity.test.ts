import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "@wrenn/core";
import { RequestActivity } from "../src/pool/request-activity.ts";

/** Time passes by sleeping only, or as a test says. */
class Time implements Pick<Clock, "monotonic" | "sleep"> {
  now = 0;
  /** How many processors are idle. */
  idleCores = 2;
  idleMs = 0;
  onSleep = (): void => {};

  monotonic = (): number => this.now;
  sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    this.now += ms;
    this.idleMs += ms * this.idleCores;
    await new Promise((resolve) => setImmediate(resolve));
    this.onSleep();
  };
}

const never = new AbortController().signal;

/** Whether it is quiet without anything else happening. */
async function isQuiet(activity: RequestActivity): Promise<boolean> {
  let quiet = false;
  const stopping = new AbortController();
  const wait = activity.pause(stopping.signal).then(
    () => (quiet = true),
    () => {},
  );
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  stopping.abort();
  await wait;
  return quiet;
}

test("it is not quiet while the server starts", async () => {
  const time = new Time();
  const activity = new RequestActivity({ clock: time, cpuCores: 2 });
  activity.begin()[Symbol.dispose]();
  await activity.quiet(never);
  assert.equal(time.now, 2000);
});

test("it is quiet a moment after the last of several requests has ended", async () => {
  const time = new Time();
  const activity = new RequestActivity({ clock: time, cpuCores: 2 });
  assert.equal(await isQuiet(activity), true);
  const [first, second] = [activity.begin(), activity.begin()];
  first[Symbol.dispose]();
  assert.equal(await isQuiet(activity), false, "one is under way");
  second[Symbol.dispose]();
  const ended = time.now;
  await activity.quiet(never);
  assert.equal(time.now - ended, 300);
});

test("a request that begins in the meantime is waited for, too", async () => {
  const time = new Time();
  const activity = new RequestActivity({ clock: time, cpuCores: 2 });
  activity.begin()[Symbol.dispose]();
  let begun = 0;
  time.onSleep = () => {
    if (begun++ < 3) activity.begin()[Symbol.dispose]();
  };
  await activity.quiet(never);
  assert.equal(time.now, 2000 + 3 * 300);
});

test("work in the background waits for an idle processor, and gives up when it is not wanted any more", async () => {
  const time = new Time();
  const activity = new RequestActivity({ clock: time, cpuCores: 2, cpuIdleMs: () => time.idleMs });
  time.idleCores = 0.9;
  time.onSleep = () => {
    if (time.now === 4000) time.idleCores = 1;
  };
  await activity.quiet(never);
  assert.equal(time.now, 4500, "the first half second with an idle processor");
  time.idleCores = 0;
  const stopping = new AbortController();
  time.onSleep = () => stopping.abort(new Error("not wanted"));
  await assert.rejects(activity.quiet(stopping.signal), /not wanted/);
});

test("one processor counts as idle when half of it is", async () => {
  const time = new Time();
  const activity = new RequestActivity({ clock: time, cpuCores: 1, cpuIdleMs: () => time.idleMs });
  time.idleCores = 0.5;
  await activity.quiet(never);
  assert.equal(time.now, 2500);
});
