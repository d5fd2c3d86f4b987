import { systemRandom } from "@wrenn/core";
import { beyondLastStep, build, linesOf, timePerStep } from "../builds.ts";
import type { MeasuredBuild } from "../builds.ts";
import { withCapsule } from "../capsule.ts";
import { samplePairs, timed } from "../row.ts";
import type { ApiContext, ApiRow, ApiRowContext, RunningRow } from "../row.ts";

/** Builds take seconds: the first rounds say enough. */
const MAX_ROUNDS = 6;
const STEPS = 9;
const PAIRS = 2;

/** Commands that no build has run before: each changes a few bytes. */
function newCommands(count: number): readonly string[] {
  const word = systemRandom.uuid();
  return Array.from({ length: count }, (_, at) => `echo ${word} > /opt/${at}`);
}

const asSteps = (commands: readonly string[]): readonly string[] =>
  commands.map((command) => `RUN ${command}`);

/** A row that builds a template under a new name and deletes it at the end. */
function withTemplate(
  prepare: (context: ApiContext, name: string) => Promise<RunningRow["sample"]>,
): ApiRow["prepare"] {
  return async (context: ApiRowContext) => {
    const name = `bench-${systemRandom.uuid().slice(0, 8)}`;
    return {
      sample: await prepare(context, name),
      dispose: async () => void (await context.api("DELETE", `/v1/snapshots/${name}`)),
    };
  };
}

export const buildUnchanged: ApiRow = {
  usesApiOnly: true,
  name: "build of ten steps, nothing changed",
  unit: "ms",
  asked: { p50: 1000, better: "lower" },
  maxRounds: MAX_ROUNDS,
  prepare: withTemplate(async (context, name) => {
    const steps = asSteps(newCommands(10));
    await build(context, name, steps);
    return async () => {
      let made: MeasuredBuild | undefined;
      const elapsed = await timed(async () => (made = await build(context, name, steps)));
      if (made?.logs.some(({ cached }) => !cached)) throw new Error("a step was performed again");
      return elapsed;
    };
  }),
};

/** From the request on, without the time of the command itself. */
export const buildLastStep: ApiRow = {
  usesApiOnly: true,
  name: "build, last of ten steps changed: all but its command, until it is kept",
  unit: "ms",
  asked: { p50: 3000, better: "lower" },
  maxRounds: MAX_ROUNDS,
  prepare: withTemplate(async (context, name) => {
    const steps = asSteps(newCommands(9));
    await build(context, name, [...steps, ...asSteps(newCommands(1))]);
    return async () => {
      const made = await build(context, name, [...steps, ...asSteps(newCommands(1))]);
      return beyondLastStep(made, await linesOf(context, made));
    };
  }),
};

type Phase = keyof MeasuredBuild["durations"];
const PHASES = ["settle_ms", "freeze_ms", "smoke_test_ms"] as const satisfies readonly Phase[];

function phaseRow(name: string, phases: readonly Phase[], askedMs?: number): ApiRow {
  return {
    usesApiOnly: true,
    name,
    unit: "ms",
    ...(askedMs === undefined ? {} : { asked: { p50: askedMs, better: "lower" } }),
    maxRounds: MAX_ROUNDS,
    prepare: withTemplate(async (context, template) => async () => {
      const program = ['CMD ["sleep", "1000000"]', "HEALTHCHECK --interval=100ms CMD true"];
      const { durations } = await build(context, template, [...asSteps(newCommands(1)), ...program]);
      return phases.reduce((sum, phase) => {
        const ms = durations[phase];
        if (ms === undefined) throw new Error(`the build has no ${phase}`);
        return sum + ms;
      }, 0);
    }),
  };
}

export const buildSettling = phaseRow("build: settling, with a check that succeeds", ["settle_ms"]);
export const buildFreezing = phaseRow("build: freezing, with memory", ["freeze_ms"]);
export const buildSmokeTest = phaseRow("build: two capsules of the template tried", ["smoke_test_ms"]);
export const buildEnd = phaseRow("build: settling, freezing and trying", PHASES, 12_000);

/** Steps and what is kept behind them, and the same commands in a capsule. */
export const buildStepOverhead: ApiRow = {
  usesApiOnly: true,
  name: "step of a build that changes little, to its command in a capsule",
  unit: "ratio",
  askedDifferenceMs: 150,
  maxRounds: MAX_ROUNDS,
  prepare: async (context) => {
    const { id, dispose: endCapsule } = await withCapsule(context);
    const prepared = await withTemplate(async (_context, name) => async () => {
      const commands = newCommands(STEPS);
      const made = await build(context, name, asSteps(commands));
      const wholeMs = timePerStep(await linesOf(context, made));
      const baseMs = await timed(async () => {
        for (const command of commands)
          await context.api("POST", `/v1/capsules/${id}/exec`, { cmd: "/bin/sh", args: ["-c", command] });
      });
      return [{ wholeMs, baseMs: baseMs / STEPS }];
    })(context);
    return {
      sample: async () => await prepared.sample(),
      dispose: async () => {
        await prepared.dispose();
        await endCapsule();
      },
    };
  },
};

/** What starts from a template of one's own, to what starts from the built-in one. */
export const createFromBuilt: ApiRow = {
  usesApiOnly: true,
  name: "create → sh -c true: template that was built, to minimal",
  unit: "ratio",
  maxRounds: MAX_ROUNDS,
  prepare: withTemplate(async (context, name) => {
    await build(context, name, asSteps(newCommands(1)));
    const made: string[] = [];
    const start = async (template: string): Promise<void> => {
      const { id } = await context.api<{ id: string }>("POST", "/v1/capsules", { template });
      made.push(id);
      await context.api("POST", `/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", "true"] });
    };
    const pairs = samplePairs(
      PAIRS,
      async () => await start(name),
      async () => await start("minimal"),
    );
    return async () => {
      const measured = await pairs();
      for (const id of made.splice(0)) await context.api("DELETE", `/v1/capsules/${id}`);
      return measured;
    };
  }),
};
