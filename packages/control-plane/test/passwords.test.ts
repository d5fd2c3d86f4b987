import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { systemRandom, WrennError } from "@wrenn/core";
import { Passwords } from "../src/accounts/passwords.ts";

/** Milliseconds of reads of a small file, one after the other, sorted. */
async function readTimes(count: number): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const start = performance.now();
    await readFile(import.meta.filename);
    times.push(performance.now() - start);
  }
  return times.toSorted((a, b) => a - b);
}

test("files are read while many passwords are verified", async () => {
  const passwords = new Passwords(systemRandom);
  const hash = await passwords.hash("secret");
  const work = { isBusy: true };
  const busy = Promise.all(Array.from({ length: 40 }, () => passwords.verify("guess", hash))).then(() => {
    work.isBusy = false;
  });
  const times = [];
  while (work.isBusy) times.push(...(await readTimes(5)));
  await busy;
  const sorted = times.toSorted((a, b) => a - b);
  const usual = sorted[Math.floor(sorted.length / 2)] ?? Infinity;
  // With every thread of the pool taken by hashes, this was 60 to 300 ms. Other programs delay single reads only.
  assert.ok(usual < 30, `half of ${sorted.length} reads took ${usual} ms and more`);
});

test("passwords beyond what may wait are refused at once, and then taken again", async () => {
  const passwords = new Passwords(systemRandom);
  const hash = await passwords.hash("secret");
  const outcomes = await Promise.allSettled(
    Array.from({ length: 120 }, () => passwords.verify("secret", hash)),
  );
  const refused = outcomes.filter(
    (one) => one.status === "rejected" && WrennError.is(one.reason, "rate_limited"),
  );
  const verified = outcomes.filter((one) => one.status === "fulfilled" && one.value);
  assert.deepEqual([verified.length, refused.length], [66, 54]);
  assert.equal(await passwords.verify("secret", hash), true);
});
