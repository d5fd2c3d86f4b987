import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";
import type { Clock } from "@wrenn/core";
import { systemClock } from "@wrenn/core";
import { holdLock, tryLock } from "@wrenn/system";

/** Retries fiftyfold faster, so that contention is tight and the test short. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) };
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
      const lock = await holdLock(path, signal(), clock);
      most = Math.max(most, ++holders);
      await nextTurn();
      await delay(1);
      holders--;
      await lock[Symbol.asyncDispose]();
    }),
  );
  return most;
}

test("a lock has one holder at a time and leaves no file", async () => {
  for (let round = 0; round < 5; round++) assert.equal(await contend(8), 1);
  assert.deepEqual(await readdir(directory), []);
});

test("the lock of a killed process is taken over by exactly one waiter", async (t) => {
  const program = join(import.meta.dirname, "support/lock-process.ts");
  const holder = spawn(process.execPath, [program, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => holder.kill("SIGKILL"));
  await once(holder.stdout, "data");
  assert.equal(await tryLock(path), undefined);
  const contended = contend(8);
  holder.kill("SIGKILL");
  assert.equal(await contended, 1);
});

test("a held lock is waited for until the signal aborts", async () => {
  await using lock = await holdLock(path, signal(), clock);
  void lock;
  await assert.rejects(holdLock(path, AbortSignal.timeout(50), clock), { name: "TimeoutError" });
});

test("a lock is named by its directory's identity and its own name", async () => {
  await mkdir(join(directory, "real"));
  await symlink(join(directory, "real"), join(directory, "alias"));
  await using lock = await tryLock(join(directory, "real/lock"));
  assert.ok(lock);
  assert.equal(await tryLock(join(directory, "alias/lock")), undefined);
  await using other = await tryLock(join(directory, "real/other"));
  assert.ok(other);
});

test("a directory that does not exist is an error, not a wait", async () => {
  await assert.rejects(holdLock(join(directory, "no/lock"), signal(), clock), { code: "ENOENT" });
});
