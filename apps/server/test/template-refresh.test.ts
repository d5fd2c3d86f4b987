import assert from "node:assert/strict";
import { test } from "node:test";
import { DAY_MS, silentLogger } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { readConfig } from "@wrenn/server";
import type { RefreshResult } from "@wrenn/server";
import { followEdition } from "../src/follow-edition.ts";
import { isRefreshDue, scheduleRefresh } from "../src/scheduled-refresh.ts";

/** Time passes as fast as someone sleeps, until the end. */
class FastClock implements Clock {
  #ms = 0;
  readonly #endMs: number;
  readonly ended = Promise.withResolvers<void>();

  constructor(endMs: number) {
    this.#endMs = endMs;
  }

  now(): number {
    return this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.#ms += ms;
    if (this.#ms > this.#endMs) {
      this.ended.resolve();
      const aborted = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => aborted.reject(signal.reason as Error), { once: true });
      await aborted.promise;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const done: RefreshResult = {
  template: "minimal",
  outcome: "current",
  packages: [],
  kernel: {},
  imageBytes: {},
};

test("the template is not refreshed by itself unless the operator says how often", () => {
  assert.equal(readConfig({}).templateRefreshMs, undefined);
  assert.equal(readConfig({ WRENN_TEMPLATE_REFRESH: "off" }).templateRefreshMs, undefined);
  assert.equal(readConfig({ WRENN_TEMPLATE_REFRESH: "daily" }).templateRefreshMs, DAY_MS);
  assert.equal(readConfig({ WRENN_TEMPLATE_REFRESH: "weekly" }).templateRefreshMs, 7 * DAY_MS);
  assert.equal(readConfig({ WRENN_TEMPLATE_REFRESH: "monthly" }).templateRefreshMs, 30 * DAY_MS);
  assert.throws(() => readConfig({ WRENN_TEMPLATE_REFRESH: "hourly" }), {
    reason: "invalid_field",
    message: /WRENN_TEMPLATE_REFRESH.*off, daily, weekly or monthly.*hourly/,
  });
});

test("a refresh begins when it is due and the host is calm, or when it is a day late", () => {
  const at = { lastMs: 0, everyMs: 7 * DAY_MS };
  for (const [nowMs, load, isDue] of [
    [7 * DAY_MS - 1, 0, false],
    [7 * DAY_MS, 0.1, true],
    [7 * DAY_MS, 3, false],
    [8 * DAY_MS - 1, 0.5, false],
    [8 * DAY_MS, 3, true],
  ] as const)
    assert.equal(isRefreshDue({ ...at, nowMs, load }), isDue, `${nowMs} ${load}`);
});

test("a schedule refreshes once for each interval, and tries again some hours after a failure", async () => {
  const clock = new FastClock(22 * DAY_MS);
  const begun: number[] = [];
  let lastMs = 0;
  const schedule = scheduleRefresh(
    {
      clock,
      logger: silentLogger,
      lastAt: async () => lastMs,
      load: () => 0,
      refresh: async () => {
        begun.push(clock.now() / DAY_MS);
        if (begun.length === 2) throw new Error("the mirror does not answer");
        lastMs = clock.now();
        return done;
      },
    },
    7 * DAY_MS,
  );
  await clock.ended.promise;
  await schedule[Symbol.asyncDispose]();
  assert.deepEqual(begun, [7, 14, 14.25, 21.25]);
});

test("a server that ends aborts a refresh under way and waits for its end", async () => {
  const clock = new FastClock(DAY_MS * 10);
  const begun = Promise.withResolvers<void>();
  let hasEnded = false;
  const schedule = scheduleRefresh(
    {
      clock,
      logger: silentLogger,
      lastAt: async () => 0,
      load: () => 0,
      refresh: async (signal) => {
        begun.resolve();
        const aborted = Promise.withResolvers<void>();
        signal.addEventListener("abort", () => aborted.resolve());
        await aborted.promise;
        hasEnded = true;
        throw signal.reason as Error;
      },
    },
    DAY_MS,
  );
  await begun.promise;
  await schedule[Symbol.asyncDispose]();
  assert.ok(hasEnded);
});

test("a server takes over a new edition once, collects afterwards, and goes on with the old one when that fails", async () => {
  const clock = new FastClock(60 * 60_000);
  const calls: string[] = [];
  let looks = 0;
  const following = followEdition({
    clock,
    logger: silentLogger,
    builtIn: {
      recipe: {
        name: "minimal",
        defaultShape: { vcpus: 1, memoryMib: 64 },
        freeze: () => assert.fail("it follows as a whole"),
      },
      follow: async () => {
        looks++;
        if (looks === 2) throw new Error("it does not boot");
        return looks === 3;
      },
      removeRetired: async () => void calls.push("retired"),
    },
    expectBuiltIn: async () => void calls.push("expected"),
    agent: { removeUnusedTemplates: async () => void calls.push("removed") },
  });
  await clock.ended.promise;
  await following[Symbol.asyncDispose]();
  assert.deepEqual(
    calls.filter((call) => call !== "retired"),
    ["expected", "removed"],
  );
  // Every five minutes and not at every look.
  assert.ok(calls.filter((call) => call === "retired").length <= 12, calls.join(" "));
  assert.ok(looks > 100, String(looks));
});
