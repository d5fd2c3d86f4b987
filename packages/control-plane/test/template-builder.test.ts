import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import fc from "fast-check";
import { silentLogger, systemClock } from "@wrenn/core";
import type { BuildCapsules } from "../src/builds/build-capsules.ts";
import { CapsuleBuilder } from "../src/builds/capsule-builder.ts";
import { planBuild, readinessOf } from "../src/builds/recipe.ts";
import type { PlannedStep } from "../src/builds/recipe.ts";
import { requireBroughtAlong } from "../src/builds/requested-build.ts";
import { FakeTemplateBuilder } from "./support/fake-template-builder.ts";
import { NativeHostAgent } from "./support/native-host-agent.ts";
import { templateBuilderContract } from "./support/template-builder-contract.ts";

const stepsOf = (lines: readonly string[], skipPrePost = false): readonly PlannedStep[] =>
  planBuild({ form: "lines", lines, skipPrePost }).steps;

templateBuilderContract("the fake builder", async () => {
  const builder = new FakeTemplateBuilder(() => "host");
  return {
    builder,
    base: { hostKey: "minimal", diskMib: 5120, envNames: [] },
    left: async () => [...builder.running],
  };
});

/** Capsules whose processes are real ones of this machine. */
function capsulesOf(host: NativeHostAgent): BuildCapsules {
  let made = 0;
  return {
    start: async ({ base, vcpus, memoryMib, moment }, signal) => {
      const id = `cl-${String((made += 1)).padStart(25, "0")}`;
      const { diskMib, hostKey: template } = base;
      await host.createCapsule(
        {
          id,
          template,
          vcpus,
          memoryMib,
          diskMib,
          timeoutSec: 0,
          envs: {},
          ...(moment && { moment: moment.key }),
        },
        signal,
      );
      return {
        id,
        hostId: "host",
        diskMib,
        processes: host.processes(id),
        files: host.files(id),
        adopted: () => {},
        reboot: async () => {},
        keep: async (moment) => await host.cacheMoment(id, moment),
        freeze: async (hostKey, { ownPrograms }) => {
          await host.pauseCapsule(id, signal);
          return await host.createSnapshot(id, { key: hostKey, ownPrograms }, signal);
        },
        consoleEnd: async () => "",
        [Symbol.asyncDispose]: async () => await host.destroyCapsule(id),
      };
    },
    remove: async () => {},
    forget: async () => {},
    identities: async () => new Map([["host", "minimal"]]),
    findMoment: async (hostId, keys) => {
      const held = await host.cachedMoments(keys);
      const index = keys.findLastIndex((key) => held.includes(key));
      return index === -1 ? undefined : { hostId, index, key: keys[index] ?? "" };
    },
  };
}

let host: NativeHostAgent;
before(async () => {
  host = await NativeHostAgent.start();
});
after(() => host[Symbol.asyncDispose]());

templateBuilderContract("the builder in capsules", async () => ({
  builder: new CapsuleBuilder({
    capsules: capsulesOf(host),
    clock: systemClock,
    logger: silentLogger,
  }),
  base: { hostKey: "minimal", diskMib: 5120, envNames: [] },
  left: async () => (await host.listCapsules()).map(({ id }) => id),
}));

test("a recipe becomes numbered steps, with seven around it unless they are left out", () => {
  const recipe = ["  run  echo  a ", "copy a b c", "User app", "ENV A=", "WORKDIR /srv", "start sleep 1"];
  const steps = stepsOf(recipe);
  assert.equal(steps.length, recipe.length + 7);
  assert.deepEqual(
    steps.map(({ step }) => step),
    steps.map((_, at) => at + 1),
  );
  assert.deepEqual(
    stepsOf(recipe, true).map(({ phase, cmd }) => `${phase}: ${cmd}`),
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

test("an invalid recipe is rejected with the position of each problem and a remedy", () => {
  assert.throws(
    () => stepsOf(["RUN true", "FROM debian", " # comment", "copy /etc/passwd x"]),
    (error) => {
      assert.ok(WrennError.is(error, "recipe_invalid"));
      assert.equal(
        error.message,
        'invalid recipe: recipe:2:1: unknown instruction "FROM"; ' +
          "recipe:3:2: comments are not supported in a recipe of lines; " +
          'recipe:4:6: "/etc/passwd" is outside the archive',
      );
      assert.match(
        error.remedy,
        /^Fix each reported position\. Available: RUN, START, ENV, WORKDIR, USER, COPY\. See/,
      );
      return true;
    },
  );
  const plan = planBuild({ form: "lines", lines: ["RUN true", " COPY a b"], skipPrePost: true });
  const none = { hasArchive: false, sources: undefined, secretIds: new Set<string>() };
  assert.throws(
    () => requireBroughtAlong(plan, "recipe", none),
    /recipe:2:7: COPY takes files, and the build has none/,
  );
});

test("an invalid health check is rejected before the build", () => {
  const none = { healthcheck: undefined };
  assert.equal(readinessOf("", none), undefined);
  readinessOf("--interval=5s --retries=3 curl -f http://127.0.0.1", none);
  assert.throws(() => readinessOf("--interval=5 true", none), {
    reason: "recipe_invalid",
    message: /healthcheck:1:12: "5" is not a duration/,
  });
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
        const steps = stepsOf(recipe);
        assert.equal(steps.length, recipe.length + 7);
        for (const { cmd } of steps) assert.match(cmd, /^(RUN|START|ENV|WORKDIR|USER|COPY) \S/);
      } catch (error) {
        assert.ok(WrennError.is(error, "recipe_invalid"), String(error));
      }
    }),
  );
});
