import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { silentLogger, systemClock } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { AccessGrant } from "../src/http/access-grants.ts";
import { AccessWatch } from "../src/http/access-watch.ts";

/** Seconds take a hundredth of their time. */
const fastClock: Clock = {
  ...systemClock,
  sleep: async (ms, signal) => await systemClock.sleep(ms / 100, signal),
};
const key = (keyId: string): AccessGrant => ({ kind: "key", keyId, teamId: "t", scope: "run" });

/** A watch over grants that a test decides about; `asked` are the checks it made. */
function watchOver(
  t: TestContext,
  live: (grants: readonly AccessGrant[]) => Promise<readonly AccessGrant[]>,
) {
  const asked: (readonly AccessGrant[])[] = [];
  const watch = new AccessWatch({
    live: async (grants) => {
      asked.push(grants);
      return new Set(await live(grants));
    },
    clock: fastClock,
    logger: silentLogger,
  });
  t.after(() => watch.close());
  return { watch, asked };
}

test("a grant that ends takes everything along that holds it, once, and nothing else", async (t) => {
  const ended = new Set<string>();
  const { watch } = watchOver(t, async (grants) =>
    grants.filter((one) => !("keyId" in one && ended.has(one.keyId))),
  );
  const endings: string[] = [];
  for (let holder = 0; holder < 3; holder += 1) watch.hold(key("a"), (error) => endings.push(error.reason));
  watch.hold(key("a"), () => endings.push("released"))();
  watch.hold(key("b"), () => endings.push("other"));
  ended.add("a");
  watch.recheck({ kind: "key", id: "a" });
  await eventually("they end", () => endings.length > 0, { intervalMs: 1 });
  watch.recheck(undefined);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(endings, ["access_ended", "access_ended", "access_ended"]);
});

test("a holder that cannot be ended keeps neither the others nor the watch from going on", async (t) => {
  const ended = new Set<string>();
  const { watch } = watchOver(t, async (grants) =>
    grants.filter((one) => !("keyId" in one && ended.has(one.keyId))),
  );
  const endings: string[] = [];
  watch.hold(key("a"), () => {
    throw new Error("broken");
  });
  watch.hold(key("a"), () => endings.push("a"));
  watch.hold(key("b"), () => endings.push("b"));
  for (const id of ["a", "b"]) ended.add(id);
  await eventually("they end", () => endings.length === 2, { intervalMs: 1 });
  watch.hold(key("c"), () => endings.push("c"));
  ended.add("c");
  await eventually("what comes later ends", () => endings.includes("c"), { intervalMs: 1 });
});

test("a grant that a thousand connections hold is checked once in a round", async (t) => {
  const { watch, asked } = watchOver(t, async (grants) => grants);
  for (let holder = 0; holder < 1000; holder += 1) watch.hold(key("a"), assert.fail);
  await eventually("a round", () => asked.length >= 2, { intervalMs: 1 });
  assert.ok(asked.every((grants) => grants.length === 1));
});

test("callers that are gone are checked no longer, and one that comes back is watched again", async (t) => {
  const { watch, asked } = watchOver(t, async (grants) => grants);
  watch.hold(key("a"), assert.fail)();
  await new Promise((resolve) => setTimeout(resolve, 100));
  watch.recheck(undefined);
  watch.recheck({ kind: "key", id: "a" });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(asked, []);
  watch.hold(key("a"), assert.fail);
  watch.recheck({ kind: "key", id: "a" });
  await eventually("it is checked", () => asked.length > 0, { intervalMs: 1 });
});

test("a revocation checks what it may end, and many at once are checked together", async (t) => {
  const gate = Promise.withResolvers<void>();
  const { watch, asked } = watchOver(t, async (grants) => {
    await gate.promise;
    return grants;
  });
  for (const id of ["a", "b", "c"]) watch.hold(key(id), assert.fail);
  for (const id of ["a", "b", "unknown", "b"]) watch.recheck({ kind: "key", id });
  gate.resolve();
  await eventually("both checks", () => asked.length >= 2, { intervalMs: 1 });
  assert.deepEqual(asked.slice(0, 2), [[key("a")], [key("b")]]);
});

for (const [what, live] of [
  ["fails", async () => await Promise.reject(new Error("no database"))],
  ["does not answer", async () => await new Promise<never>(() => undefined)],
] as const)
  test(`while the check ${what}, access lasts for a few seconds and then ends as unconfirmed`, async (t) => {
    let broken = false;
    const { watch } = watchOver(t, async (grants) => (broken ? await live() : grants));
    let ending: string | undefined;
    watch.hold(key("a"), (error) => (ending = error.reason));
    // Confirmed again and again for as long as fifteen seconds.
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.equal(ending, undefined);
    broken = true;
    const began = performance.now();
    await eventually("it ends", () => ending, { intervalMs: 1 });
    assert.equal(ending, "access_unconfirmed");
    assert.ok(performance.now() - began > 30, "it ended at the first failure");
  });

test("a check that was answered too late confirms nothing", async (t) => {
  let answers = 0;
  const { watch } = watchOver(t, async (grants) => {
    answers += 1;
    if (answers > 1) await new Promise((resolve) => setTimeout(resolve, 60));
    return grants;
  });
  let ending: string | undefined;
  watch.hold(key("a"), (error) => (ending = error.reason));
  await eventually("it ends", () => ending, { intervalMs: 1 });
  assert.equal(ending, "access_unconfirmed");
});
