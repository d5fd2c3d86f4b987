import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { Clock } from "@wrenn/core";
import { systemClock, systemRandom } from "@wrenn/core";
import { identifyProcess } from "@wrenn/system";
import { takeLock } from "../src/build-lock.ts";

/** Waits fiftyfold faster, so that contention is tight and the test short. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };
const dependencies = { clock, random: systemRandom };
const signal = (): AbortSignal => AbortSignal.timeout(60_000);
let directory = "";
let path = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "wrenn-lock-"));
  path = join(directory, "lock");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Takes the lock `count` times at once; the greatest number of holders there ever was. */
async function contend(count: number): Promise<number> {
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: count }, async () => {
      const lock = await takeLock(path, dependencies, signal());
      most = Math.max(most, ++holders);
      await nextTurn();
      await delay(1);
      holders--;
      await lock[Symbol.asyncDispose]();
    }),
  );
  return most;
}

const self = await identifyProcess(process.pid);
const abandoned = {
  "a process that is gone": JSON.stringify({ pid: 2 ** 22 + 1, startTime: "1" }),
  "an earlier process with a pid in use again": JSON.stringify({ ...self, startTime: "1" }),
  "nobody: an empty file after a power cut": "",
  "nobody: JSON of another kind": "null",
};
for (const [holder, content] of Object.entries(abandoned)) {
  test(`the lock of ${holder} is taken over by exactly one`, async () => {
    for (let round = 0; round < 5; round++) {
      await writeFile(path, content);
      assert.equal(await contend(8), 1);
      assert.deepEqual(await readdir(directory), []);
    }
  });
}

test("a takeover that was itself abandoned is taken over", async () => {
  const dead = JSON.stringify({ pid: 2 ** 22 + 1, startTime: "1" });
  await writeFile(path, dead);
  await writeFile(`${path}.takeover`, dead);
  assert.equal(await contend(4), 1);
  assert.deepEqual(await readdir(directory), []);
});

test("the lock of a live process is waited for, until the signal says no", async () => {
  await writeFile(path, JSON.stringify(self));
  await assert.rejects(takeLock(path, dependencies, AbortSignal.timeout(50)), { name: "TimeoutError" });
  assert.deepEqual(await readdir(directory), ["lock"]);
});

test("a directory that does not exist is an error, not a wait", async () => {
  await assert.rejects(takeLock(join(directory, "no/lock"), dependencies, signal()), { code: "ENOENT" });
});
