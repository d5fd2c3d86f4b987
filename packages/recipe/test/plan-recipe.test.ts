import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyImageConfig, parseRecipe, planRecipe, startCommandOf } from "@wrenn/recipe";
import type { ImageConfig, PlanOptions, RecipePlan } from "@wrenn/recipe";
import { problemsIn } from "./support/problems.ts";

const planOf = (text: string, options?: PlanOptions): RecipePlan => planRecipe(parseRecipe(text), options);
const configOf = (text: string, options?: PlanOptions): ImageConfig => planOf(text, options).config;

test("each step has the variables, directory, user and shell of its place", () => {
  const { base, steps } = planOf(
    [
      "FROM minimal:v2",
      "ARG WHO=world",
      "RUN one",
      "ENV A=1 B=$A",
      "WORKDIR /srv",
      "WORKDIR ../opt/./$WHO/",
      'SHELL ["/bin/bash", "-ec"]',
      "USER app:staff",
      "RUN two",
      'RUN ["three"]',
      "START four",
      "USER 1000",
      "RUN <<EOF",
      "#!/usr/bin/env python3",
      "EOF",
    ].join("\n"),
  );
  assert.equal(base, "minimal:v2");
  const processes = steps.filter(({ action }) => action.type === "run" || action.type === "start");
  const root = { WHO: "world" };
  const app = { A: "1", B: "", WHO: "world" };
  const bash = ["/bin/bash", "-ec"];
  assert.deepEqual(
    processes.map(({ action, state }) => ["program" in action && action.program, state]),
    [
      [
        { argv: ["/bin/sh", "-c", "one"] },
        { environment: root, cwd: undefined, user: "root", shell: ["/bin/sh", "-c"] },
      ],
      [{ argv: [...bash, "two"] }, { environment: app, cwd: "/opt/world", user: "app:staff", shell: bash }],
      [{ argv: ["three"] }, { environment: app, cwd: "/opt/world", user: "app:staff", shell: bash }],
      [{ argv: [...bash, "four"] }, { environment: app, cwd: "/opt/world", user: "app:staff", shell: bash }],
      [
        { script: "#!/usr/bin/env python3\n" },
        {
          environment: { A: "1", B: "", WHO: "world" },
          cwd: "/opt/world",
          user: "1000",
          shell: bash,
        },
      ],
    ],
  );
  assert.deepEqual(
    steps.map(({ number, action }) => `${number} ${action.type}`),
    [
      "1 run",
      "2 config",
      "3 directory",
      "4 directory",
      "5 config",
      "6 user",
      "7 run",
      "8 run",
      "9 start",
      "10 config",
      "11 run",
    ],
  );
});

test("arguments are those that were given, else their defaults, and ENV takes precedence", () => {
  const text = "ARG T=1\nFROM base:$T\nARG A=x B C=$A-$B\nARG T\nENV C=env\nRUN x";
  const environmentOf = (plan: RecipePlan): unknown => plan.steps.at(-1)?.state.environment;
  const plain = planOf(text);
  assert.equal(plain.base, "base:1");
  assert.deepEqual(environmentOf(plain), { A: "x", C: "env", T: "1" });
  const given = planOf(text, { args: { T: "2", B: "b", C: "c", OTHER: "o", ANOTHER: "" } });
  assert.equal(given.base, "base:2");
  assert.deepEqual(environmentOf(given), { A: "x", B: "b", C: "env", T: "2" });
  assert.deepEqual(given.unusedArgs, ["ANOTHER", "OTHER"]);
  // Arguments are for the build alone.
  assert.deepEqual(given.config.env, { C: "env" });
  // Those from before FROM are unknown behind it, until they are declared again.
  assert.deepEqual(configOf("ARG A=1\nFROM b\nENV B=$A").env, { B: "" });
  // A second ARG without a default keeps the first one's.
  assert.deepEqual(configOf("ARG A=1\nARG A\nENV B=$A").env, { B: "1" });
});

test("all values of one ENV see the variables from before it", () => {
  assert.deepEqual(configOf("ENV A=1\nENV A=2 B=$A\nENV C=$A").env, { A: "2", B: "1", C: "2" });
});

test("what a log-in sets is known, follows the user, and gives way to what the recipe sets", () => {
  const { config, steps } = planOf(
    "ENV A=$HOME:$USER:$PWD\nUSER ada\nENV B=$HOME:$LOGNAME\nWORKDIR notes\nENV C=$PWD HOME=/h\nENV D=$HOME\nRUN x",
  );
  assert.deepEqual(config.env, {
    A: "/root:root:/root",
    B: "/home/ada:ada",
    C: "/home/ada/notes",
    D: "/h",
    HOME: "/h",
  });
  assert.equal(config.workdir, "/home/ada/notes");
  assert.deepEqual(steps.at(3)?.action, { type: "directory", path: "/home/ada/notes", owner: "ada" });
  // Only what the recipe sets is given to processes: their log-in sets the rest.
  assert.deepEqual(Object.keys(planOf("ENV A=1\nRUN x").steps.at(-1)?.state.environment ?? {}), ["A"]);
});

test("variables may be named like parts of objects", () => {
  assert.deepEqual(Object.entries(configOf("ENV __proto__=a constructor=b\nENV C=$__proto__$toString").env), [
    ["C", "a"],
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
});

test("the settings of the template are those of its base, changed by the recipe", () => {
  const base: ImageConfig = {
    ...emptyImageConfig,
    env: { PATH: "/bin", LANG: "C" },
    user: "base",
    workdir: "/base",
    entrypoint: ["entry"],
    cmd: ["base"],
    exposedPorts: ["22/tcp"],
    labels: { kept: "1", changed: "1" },
  };
  assert.deepEqual(configOf("RUN x", { base }), base);
  const changed = configOf(
    [
      "ENV PATH=/opt:$PATH",
      "LABEL changed=2 $PATH='a b'",
      "EXPOSE 8080 53/udp 22",
      "EXPOSE 8000-8002",
      "STOPSIGNAL int",
      "HEALTHCHECK --interval=1s CMD true",
      "WORKDIR app",
      "USER 10:20",
    ].join("\n"),
    { base },
  );
  assert.deepEqual(changed, {
    ...base,
    env: { LANG: "C", PATH: "/opt:/bin" },
    labels: { "/opt:/bin": "a b", changed: "2", kept: "1" },
    exposedPorts: ["22/tcp", "53/udp", "8000/tcp", "8001/tcp", "8002/tcp", "8080/tcp"],
    stopSignal: "SIGINT",
    healthcheck: {
      argv: ["/bin/sh", "-c", "true"],
      intervalMs: 1000,
      timeoutMs: 10_000,
      startPeriodMs: 0,
      retries: 0,
      deadlineMs: 300_000,
    },
    workdir: "/base/app",
    user: "10:20",
  });
  assert.equal(configOf("HEALTHCHECK CMD x\nHEALTHCHECK NONE").healthcheck, undefined);
});

test("entry point and command make the start command by Docker's table", () => {
  const base = { entrypoint: ["base"], cmd: ["words"] };
  const shell = ["/bin/sh", "-c"];
  const table: readonly (readonly [string, readonly string[] | undefined])[] = [
    ["RUN x", ["base", "words"]],
    ["CMD a b", ["base", ...shell, "a b"]],
    ['CMD ["a", "b"]', ["base", "a", "b"]],
    ["ENTRYPOINT e", [...shell, "e"]],
    ['ENTRYPOINT ["e"]', ["e"]],
    ['ENTRYPOINT ["e"]\nCMD ["a"]', ["e", "a"]],
    ['CMD ["a"]\nENTRYPOINT ["e"]', ["e", "a"]],
    ['ENTRYPOINT ["e"]\nCMD a', ["e", ...shell, "a"]],
    ["CMD a\nCMD []", ["base"]],
    ["ENTRYPOINT []", undefined],
    ['SHELL ["bash", "-c"]\nCMD a\nENTRYPOINT []', ["bash", "-c", "a"]],
  ];
  for (const [text, words] of table) assert.deepEqual(startCommandOf(configOf(text, { base })), words, text);
});

test("COPY knows its target, its owner and whether the target is a directory", () => {
  const copyOf = (text: string): unknown => {
    const action = planOf(`ENV D=/d\nWORKDIR /w\nUSER me\n${text}`).steps.at(-1)?.action;
    assert.ok(action?.type === "copy");
    const { target, targetIsDirectory, owner, mode, unpack, sources } = action;
    return [target, targetIsDirectory, owner, mode, unpack, ...sources.map(({ pattern }) => pattern)];
  };
  assert.deepEqual(copyOf("COPY a b"), ["/w/b", false, "me", undefined, false, "a"]);
  assert.deepEqual(copyOf("COPY /a ./x/../b/ $D/../e/"), ["/e", true, "me", undefined, false, "a", "b"]);
  assert.deepEqual(copyOf("COPY . ."), ["/w", true, "me", undefined, false, ""]);
  assert.deepEqual(copyOf("COPY a .."), ["/", true, "me", undefined, false, "a"]);
  assert.deepEqual(copyOf("ADD --chown=$D:1 --chmod=0750 'a' x".replace("$D", "0")), [
    "/w/x",
    false,
    "0:1",
    0o750,
    true,
    "a",
  ]);
});

test("invalid values are all rejected with their positions", () => {
  assert.deepEqual(
    problemsIn(() =>
      planOf(
        [
          "FROM scratch",
          "COPY a b c",
          "COPY x/../../y z",
          "COPY $NONE z",
          "COPY --chmod=u+x a b",
          "COPY --chown=a:b:c a b",
          "USER $NONE",
          "USER a b",
          "WORKDIR $NONE",
          "EXPOSE 0",
          "EXPOSE 80 9-8",
          "EXPOSE 1-65535",
          "STOPSIGNAL SIGFOO",
          "STOPSIGNAL 65",
          "COPY <<a/b c",
          "a/b",
        ].join("\n"),
      ),
    ),
    [
      "recipe:1:6: FROM scratch is not supported in recipes",
      'recipe:2:10: several sources need a directory as target, and "c" does not end with a slash',
      'recipe:3:6: "x/../../y" is outside the context',
      "recipe:4:6: the source is empty",
      'recipe:5:14: "u+x" is not an octal mode',
      'recipe:6:14: "a:b:c" is not a user',
      'recipe:7:6: "" is not a user',
      'recipe:8:6: "a b" is not a user',
      "recipe:9:9: the path of WORKDIR is empty",
      'recipe:10:8: "0" is not a port',
      'recipe:11:11: "9-8" is not a port',
      "recipe:12:8: more than 1000 ports",
      'recipe:13:12: "SIGFOO" is not a signal',
      'recipe:14:12: "65" is not a signal',
      'recipe:15:12: "a/b" is not the name of a file',
    ],
  );
  assert.deepEqual(
    ["FROM a@sha256:x", "FROM 'a b'", "FROM A B C", "FROM $X"].map(
      (text) => problemsIn(() => planOf(text))[0],
    ),
    [
      undefined,
      "recipe:1:9: FROM has too many arguments",
      "recipe:1:8: FROM has too many arguments",
      'recipe:1:6: "" names neither a template nor an image',
    ],
  );
});
