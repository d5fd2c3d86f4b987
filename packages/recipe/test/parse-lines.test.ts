import assert from "node:assert/strict";
import { test } from "node:test";
import { parseReadinessCheck, parseRecipeLines, planRecipe } from "@wrenn/recipe";
import { problemsIn } from "./support/problems.ts";

test("each line is one instruction of the API's language, whatever else it looks like", () => {
  const { instructions } = parseRecipeLines([
    " run --timeout=5s  echo \\",
    'RUN ["a"]',
    "RUN cat <<EOF",
    "RUN a\nb",
    "start sleep 1",
    "ENV A=b c='d'",
    "workdir  /a b ",
    "USER app",
    "COPY a b/* c",
  ]);
  assert.deepEqual(
    instructions.map((one) => {
      if (one.kind === "RUN" || one.kind === "START") return one.command;
      if (one.kind === "ENV") return one.pairs.map(({ name, value }) => [name.text, value?.text]);
      if (one.kind === "COPY") return [...one.sources.map(({ text }) => text), one.target.text];
      return one.kind;
    }),
    [
      { form: "shell", text: "echo \\" },
      { form: "shell", text: '["a"]' },
      { form: "shell", text: "cat <<EOF" },
      { form: "shell", text: "a\nb" },
      { form: "shell", text: "sleep 1" },
      [["A", "b c='d'"]],
      "WORKDIR",
      "USER",
      ["a", "b/*", "c"],
    ],
  );
  assert.equal(instructions[0]?.kind === "RUN" && instructions[0].timeoutMs, 5000);
  assert.deepEqual(instructions[0]?.range, { start: { line: 1, column: 2 }, end: { line: 1, column: 26 } });
});

test("variables hold in ENV alone, without quotes and escapes, and a doubled dollar sign is one", () => {
  const { config, steps } = planRecipe(
    parseRecipeLines([
      "ENV A=1",
      "ENV B=$A ${A} $C. $$A \\$A '$A'",
      "WORKDIR /$A",
      "COPY $A x y",
      "COPY a b c",
    ]),
  );
  assert.deepEqual(config.env, { A: "1", B: "1 1 . $A \\1 '1'" });
  assert.equal(config.workdir, "/$A");
  const [copy] = steps.flatMap(({ action }) => (action.type === "copy" ? [action] : []));
  assert.deepEqual([copy?.sources[0]?.pattern, copy?.target, copy?.targetIsDirectory], ["$A", "/$A/y", true]);
});

test("a line that is no instruction is refused at its place", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["FROM debian", 'recipe:2:1: unknown instruction "FROM"'],
    ["ARG A", 'recipe:2:1: unknown instruction "ARG"'],
    [" # comment", "recipe:2:2: comments are not supported in a recipe of lines"],
    [" ", "recipe:2:2: empty instruction"],
    ["", "recipe:2:1: empty instruction"],
    ["RUN ", "recipe:2:4: RUN requires arguments"],
    ["RUN --timeout=5s", "recipe:2:17: RUN has no command"],
    ["RUN --timeout=x y", 'recipe:2:15: "x" is not a duration'],
    ["RUN --timeout y", "recipe:2:5: --timeout has no value"],
    ["ENV A", "recipe:2:5: expected ENV NAME=value"],
    ["ENV 1A=b", "recipe:2:5: expected ENV NAME=value"],
    ["USER two words", 'recipe:2:6: "two words" is not the name of a user'],
    ["USER 1000", 'recipe:2:6: "1000" is not the name of a user'],
    ["COPY one", "recipe:2:6: expected COPY SOURCE… DESTINATION"],
    ["COPY /etc/passwd /a", 'recipe:2:6: "/etc/passwd" is outside the archive'],
    ["COPY x a/../../b /a", 'recipe:2:8: "a/../../b" is outside the archive'],
  ];
  for (const [line, problem] of refused)
    assert.deepEqual(
      problemsIn(() => parseRecipeLines(["RUN true", line])),
      [problem],
    );
});

test("the health check of a build has the API's flags and defaults", () => {
  assert.deepEqual(parseReadinessCheck("--interval=5s --start-period=60s --retries=5 curl -f x --y"), {
    command: { form: "shell", text: "curl -f x --y" },
    intervalMs: 5000,
    timeoutMs: 10_000,
    startPeriodMs: 60_000,
    retries: 5,
    deadlineMs: 90_000,
  });
  assert.equal(parseReadinessCheck("true").deadlineMs, 300_000);
  assert.deepEqual(
    ["--interval 5s x", "--foo=1 x", "--retries=2", ""].flatMap((text) =>
      problemsIn(() => parseReadinessCheck(text)),
    ),
    [
      "healthcheck:1:1: --interval has no value",
      "healthcheck:1:1: HEALTHCHECK has no flag --foo",
      "healthcheck:1:12: the health check has no command",
      "healthcheck:1:1: the health check has no command",
    ],
  );
});
