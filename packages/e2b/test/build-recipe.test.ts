import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { BuildRow } from "@wrenn/database";
import { WrennError } from "@wrenn/core";
import { baseOf, readinessCheck, recipeOf } from "../src/templates/build-recipe.ts";
import type { BuildFields } from "../src/templates/build-recipe.ts";
import { buildState } from "../src/templates/build-status.ts";
import { clientSteps } from "../src/templates/client-steps.ts";

const HASH = "a".repeat(64);
const steps: NonNullable<BuildFields["steps"]> = [
  { type: "ENV", args: ["MODE", 'a $HOME "quoted" \\ $(none)', "EMPTY", ""] },
  { type: "COPY", args: ["app", "lib/", "", ""], filesHash: HASH, force: true },
  { type: "RUN", args: ["whoami", "root123"] },
  { type: "WORKDIR", args: ["/srv/a b"] },
  { type: "USER", args: ["operator"] },
];
const recipe = recipeOf({ fromTemplate: "minimal", steps, startCmd: "one\ntwo" }, {});

test("steps of a client become a recipe whose steps are traced back to them", () => {
  const traced = [...clientSteps(recipe.text)].map(([number, step]) => [number, step.number] as const);
  const numbers = traced.map(([, number]) => number);
  assert.deepEqual(
    numbers.filter((number, at) => at === 0 || number !== numbers[at - 1]),
    [undefined, 1, 2, 3, 4, 5],
  );
  const [[copying, hash] = []] = recipe.files;
  assert.equal(hash, HASH);
  assert.equal(new Map(traced).get(copying ?? 0), 2);
  const forced = traced.find(([, number]) => number === 2)?.[0];
  assert.equal(recipe.repeatFrom, forced, "a forced step and those behind it are repeated");
  assert.equal(recipeOf({ fromTemplate: "minimal", steps, force: true }, {}).repeatFrom, 1);
});

test("a failed RUN of an unknown user has the text that clients compare, and the place of its step", () => {
  const at = [...clientSteps(recipe.text)].find(([, step]) => step.requires)?.[0] ?? 0;
  const row = {
    id: "00000000-0000-4000-8000-000000000000",
    name: "users",
    recipe_text: recipe.text,
    status: "failed",
    reason: "build_failed",
    error: "recipe step failed",
    current_step: at,
  } as BuildRow;
  assert.deepEqual(buildState(row, []).reason, {
    // Compared literally by clients.
    message: "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'root123'",
    step: "3",
    logEntries: [],
  });
  assert.equal(buildState({ ...row, current_step: 1 }, []).reason?.step, "base");
  assert.equal(buildState({ ...row, reason: "build_not_ready" }, []).reason?.step, "finalize");
});

test("images are named in full, and the base image of clients is the template base", () => {
  assert.deepEqual(baseOf({ fromImage: "python:3.13" }), {
    from: "docker.io/library/python:3.13",
    isTemplate: false,
  });
  assert.deepEqual(baseOf({ fromImage: "e2bdev/base" }), { from: "base", isTemplate: true });
  assert.throws(() => baseOf({}), { reason: "invalid_field" });
});

test("steps that cannot be written down are refused by their place", () => {
  const refused: readonly (readonly [NonNullable<BuildFields["steps"]>[number], RegExp])[] = [
    [{ type: "ENV", args: ["A", "two\nlines"] }, /steps\.0 /],
    [{ type: "ENV", args: ["A B", "c"] }, /steps\.0 /],
    [{ type: "USER", args: ["a\nRUN rm"] }, /steps\.0 /],
    [{ type: "RUN", args: ["true", "a; b"] }, /steps\.0 /],
    [{ type: "WORKDIR", args: ["/a\nRUN rm"] }, /steps\.0 /],
    [{ type: "COPY", args: ["a", "b"] }, /steps\.0 /],
    [{ type: "COPY", args: ["a", "b", "", "999"], filesHash: HASH }, /steps\.0 /],
  ];
  for (const [step, message] of refused)
    assert.throws(
      () => recipeOf({ fromTemplate: "minimal", steps: [step] }, {}),
      (error) => WrennError.is(error, "invalid_field") && message.test(error.message),
      JSON.stringify(step),
    );
});

test("a ready command is run by bash, whatever characters it has", () => {
  const readyCmd = `[[ "it's" == it\\'s ]] && echo "$BASH_VERSION"\necho 'second line'`;
  const line = readinessCheck({ readyCmd }).replace("--interval=1s ", "");
  const { stdout, status } = spawnSync("/bin/sh", ["-c", line], { encoding: "utf8" });
  assert.equal(status, 0);
  assert.match(stdout, /^\d+\.\d.*\nsecond line\n$/);
  assert.equal(readinessCheck({}), "");
});
