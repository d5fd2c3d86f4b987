import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { goDuration } from "../src/builds/go-duration.ts";
import { parseHealthcheck, untilHealthy } from "../src/builds/healthcheck.ts";
import { environmentOf, StepState } from "../src/builds/step-state.ts";

/* What builds are made of, without machines. */

test("durations are numbers with units, one behind the other", () => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ["0", 0],
    ["90s", 90_000],
    ["1m30s", 90_000],
    ["1.5h", 5_400_000],
    ["250ms", 250],
    ["1h2m3s4ms", 3_723_004],
    ["", undefined],
    ["5", undefined],
    ["s", undefined],
    ["-1s", undefined],
    ["1s ", undefined],
    ["1d", undefined],
    ["1s1", undefined],
  ];
  for (const [text, ms] of cases) assert.equal(goDuration(text), ms, JSON.stringify(text));
});

test("any text is a duration of a finite length, or none", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^([0-9.]{1,5}(ms|s|m|h)){1,4}$/)), (text) => {
      const ms = goDuration(text);
      assert.ok(ms === undefined || (Number.isFinite(ms) && ms >= 0));
    }),
  );
});

test("a health check has flags, a command, and always a deadline", () => {
  assert.equal(parseHealthcheck("  "), undefined);
  assert.deepEqual(parseHealthcheck("wget -q http://127.0.0.1/"), {
    command: "wget -q http://127.0.0.1/",
    intervalMs: 3000,
    timeoutMs: 10_000,
    startPeriodMs: 0,
    retries: 0,
    deadlineMs: 600_000,
  });
  assert.deepEqual(parseHealthcheck("--interval=5s --timeout=2s --start-period=1m --retries=5 true --x=y"), {
    command: "true --x=y",
    intervalMs: 5000,
    timeoutMs: 2000,
    startPeriodMs: 60_000,
    retries: 5,
    deadlineMs: 60_000 + 6 * 7000,
  });
  for (const text of [
    "--interval 5s true",
    "--every=5s true",
    "--interval=0s true",
    "--retries=-1 true",
    "--retries=3",
  ])
    assert.throws(
      () => parseHealthcheck(text),
      (error) => WrennError.is(error, "invalid_field") && error.message.includes("healthcheck"),
      text,
    );
});

test("a check is tried until it succeeds, fails too often behind its start period, or its deadline is over", async () => {
  const tries = async (text: string, succeedsAt: number): Promise<string> => {
    let now = 0;
    const clock = {
      monotonic: () => now,
      sleep: async (ms: number): Promise<void> => {
        now += ms;
      },
    };
    const check = parseHealthcheck(text) ?? assert.fail();
    let tried = 0;
    const attempt = async (): Promise<string | undefined> =>
      ++tried >= succeedsAt ? undefined : `no ${tried}`;
    try {
      await untilHealthy(check, attempt, clock, new AbortController().signal);
      return `healthy after ${tried}`;
    } catch (error) {
      assert.ok(WrennError.is(error, "build_not_ready"), String(error));
      return `${tried}: ${error.message}`;
    }
  };
  assert.equal(await tries("true", 1), "healthy after 1");
  assert.match(await tries("--interval=1s --retries=2 x", 99), /^3: .* within 2 s: no 3$/);
  assert.equal(await tries("--interval=1s --start-period=10s --retries=1 x", 9), "healthy after 9");
  assert.match(await tries("--interval=1m x", 99), /^11: .* within 600 s/);
});

test("a variable is made of those before it; the build's own are not kept in the template", () => {
  const state = new StepState(
    environmentOf("PATH=/bin\0HOME=/root\0EMPTY=\0WRENN_TEMPLATE_ID=x\0LINES=a\nb\0"),
  );
  state.setVariable("PATH", "/opt/bin:$PATH");
  state.setVariable("WHERE", "${HOME}/$nothing-$$5 ${PATH}");
  assert.deepEqual(state.scope.envs, { PATH: "/opt/bin:/bin", WHERE: "/root/-$5 /opt/bin:/bin" });
  assert.equal(state.resolve("a/b"), "/root/a/b");
  assert.deepEqual(state.defaults.cwd, undefined);
  state.user = "ada";
  assert.equal(state.resolve("a"), "/home/ada/a");
  state.setVariable("OTHER", "$HOME $USER");
  state.cwd = "/srv/";
  assert.equal(state.resolve("a/b"), "/srv/a/b");
  assert.equal(state.resolve("/a"), "/a");
  assert.deepEqual(state.defaults, {
    user: "ada",
    cwd: "/srv/",
    envs: {
      PATH: "/opt/bin:/bin",
      EMPTY: "",
      LINES: "a\nb",
      WHERE: "/root/-$5 /opt/bin:/bin",
      OTHER: "/home/ada ada",
    },
  });
});
