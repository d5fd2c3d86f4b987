import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { endOf } from "../src/builds/build-commands.ts";
import { inheritedEnvironment } from "../src/builds/inherited-environment.ts";
import { planBuild, readinessOf } from "../src/builds/recipe.ts";
import { untilReady } from "../src/builds/until-ready.ts";

/* What builds are made of, without machines. */

test("a check is tried until it succeeds, fails too often behind its start period, or its deadline is over", async () => {
  const tries = async (text: string, succeedsAt: number): Promise<string> => {
    let now = 0;
    const clock = {
      monotonic: () => now,
      sleep: async (ms: number): Promise<void> => {
        now += ms;
      },
    };
    const check = readinessOf(text, { healthcheck: undefined }) ?? assert.fail();
    let tried = 0;
    const attempt = async (): Promise<string | undefined> =>
      ++tried >= succeedsAt ? undefined : `no ${tried}`;
    try {
      await untilReady(check, attempt, clock, new AbortController().signal);
      return `healthy after ${tried}`;
    } catch (error) {
      assert.ok(WrennError.is(error, "build_not_ready"), String(error));
      return `${tried}: ${error.message}`;
    }
  };
  assert.equal(await tries("true", 1), "healthy after 1");
  assert.match(await tries("--interval=1s --retries=2 x", 99), /^3: .* within 2 s: no 3$/);
  assert.equal(await tries("--interval=1s --start-period=10s --retries=1 x", 9), "healthy after 9");
  assert.match(await tries("--interval=1m x", 99), /^6: .* within 300 s/);
});

test("a variable is made of those before it; what belongs to the build's own processes is not kept", () => {
  const env = inheritedEnvironment(
    "PATH=/bin\0HOME=/root\0EMPTY=\0WRENN_SANDBOX=true\0WRENN_TEMPLATE=x\0XDG_RUNTIME_DIR=/run/user/0\0LINES=a\nb\0",
  );
  assert.deepEqual(env, { PATH: "/bin", EMPTY: "", LINES: "a\nb" });
  const lines = [
    "ENV PATH=/opt/bin:$PATH",
    "ENV WHERE=${HOME}/$nothing-$$5 ${PATH}",
    "USER ada",
    "COPY a b/",
    "ENV OTHER=$HOME $USER",
    "WORKDIR /srv/",
    "RUN true",
  ];
  const { steps, config } = planBuild({ form: "lines", lines, skipPrePost: true }, { env });
  const [copy, run] = [steps[3]?.action, steps[6]?.state];
  assert.ok(copy?.type === "copy" && copy.target === "/home/ada/b" && copy.targetIsDirectory);
  assert.deepEqual([run?.user, run?.cwd], ["ada", "/srv"]);
  assert.deepEqual(run?.environment, config.env);
  assert.deepEqual([config.user, config.workdir], ["ada", "/srv"]);
  assert.deepEqual(config.env, {
    PATH: "/opt/bin:/bin",
    EMPTY: "",
    LINES: "a\nb",
    WHERE: "/root/-$5 /opt/bin:/bin",
    OTHER: "/home/ada ada",
  });
});

test("the end of a long output begins with a whole line, or with a whole word", () => {
  assert.equal(endOf("one\ntwo\n", 8), "one\ntwo\n");
  assert.equal(endOf("secret one\ntwo three four\n", 20), "two three four\n");
  assert.equal(endOf("a\nexactly\n", 8), "exactly\n");
  assert.equal(endOf("token=abcdef one two three", 16), "one two three");
  assert.equal(endOf("token=abcdef one two three\n", 16), "one two three\n");
  assert.equal(endOf("x".repeat(30), 16), "x".repeat(16));
});
