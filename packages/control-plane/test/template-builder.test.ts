import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { planSteps } from "../src/builds/recipe.ts";
import { unavailableBuilder } from "../src/builds/unavailable-builder.ts";
import { FakeTemplateBuilder } from "./support/fake-template-builder.ts";
import { templateBuilderContract } from "./support/template-builder-contract.ts";

const both = { skipPrePost: false, hasArchive: true };

templateBuilderContract("the fake builder", async () => {
  const builder = new FakeTemplateBuilder(() => "host");
  return {
    builder,
    base: { hostKey: "minimal", diskMib: 5120, envNames: [] },
    left: async () => [...builder.running],
  };
});

test("a server without a builder says so before and in a build", async () => {
  assert.throws(
    () => unavailableBuilder.requireAvailable(),
    (error) => WrennError.is(error, "builds_not_available") && error.entry.code === "not_available",
  );
});

test("a recipe becomes numbered steps, with seven around it unless they are left out", () => {
  const recipe = ["  run  echo  a ", "copy a b c", "User app", "ENV A=", "WORKDIR /srv", "start sleep 1"];
  const steps = planSteps(recipe, both);
  assert.equal(steps.length, recipe.length + 7);
  assert.deepEqual(
    steps.map(({ step }) => step),
    steps.map((_, at) => at + 1),
  );
  assert.deepEqual(
    planSteps(recipe, { ...both, skipPrePost: true }).map(({ phase, cmd }) => `${phase}: ${cmd}`),
    [
      "recipe: RUN echo  a",
      "recipe: COPY a b c",
      "recipe: USER app",
      "recipe: ENV A=",
      "recipe: WORKDIR /srv",
      "recipe: START sleep 1",
    ],
  );
});

test("a line that is no instruction is refused by its number", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["FROM debian", /line 2 is no instruction/],
    ["# comment", /no instruction/],
    [" ", /no instruction/],
    ["RUN", /nothing after RUN/],
    ["ENV A", /ENV NAME=value/],
    ["ENV 1A=b", /ENV NAME=value/],
    ["USER two words", /names no user/],
    ["COPY one", /source destination/],
    ["COPY /etc/passwd /a", /outside of the archive/],
    ["COPY a/../../b /a", /outside of the archive/],
  ];
  for (const [line, message] of refused)
    assert.throws(() => planSteps(["RUN true", line], both), {
      reason: "recipe_invalid",
      message,
    });
  assert.throws(() => planSteps(["COPY a b"], { ...both, hasArchive: false }), /has no archive/);
});

test("any text is a recipe with steps, or is refused", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc
      .tuple(fc.constantFrom("RUN", "copy", "ENV", "user", "X"), fc.string({ maxLength: 40 }))
      .map((parts) => parts.join(" ")),
  );
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (recipe) => {
      try {
        const steps = planSteps(recipe, both);
        assert.equal(steps.length, recipe.length + 7);
        for (const { cmd } of steps) assert.match(cmd, /^(RUN|START|ENV|WORKDIR|USER|COPY) \S/);
      } catch (error) {
        assert.ok(WrennError.is(error, "recipe_invalid"), String(error));
      }
    }),
  );
});
