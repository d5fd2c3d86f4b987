import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { TemplateFacts } from "@wrenn/protocol";
import { startCommandOf } from "@wrenn/recipe";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import type { BuildCapsule, BuildCapsules, TemplateDefaults } from "./build-capsules.ts";
import { BuildSteps } from "./build-steps.ts";
import { inPhase } from "./in-phase.ts";
import { inheritedEnvironment } from "./inherited-environment.ts";
import { readinessOf } from "./recipe.ts";
import type { BuildPlan, PlannedStep } from "./recipe.ts";
import { CACHES } from "./run-mounts.ts";
import { settle } from "./settle.ts";
import { StepCache } from "./step-cache.ts";
import type { CachedSteps } from "./step-cache.ts";
import { StepFailed } from "./template-builder.ts";
import type {
  BuildJob,
  BuildReport,
  BuiltTemplate,
  FoundVersion,
  TemplateBuilder,
} from "./template-builder.ts";

const OWN_MS = 60_000;
/** Capsules that are started from a new template before it gets its name. */
const SMOKE_TESTS = 2;
/** Exit code where there is no such program. An image may have a single program, and the guest has looked for it. */
const NOT_FOUND = 127;
/** Characters of a console that an error shows. */
const CONSOLE_END = 800;

export interface CapsuleBuilderDeps {
  readonly capsules: BuildCapsules;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a build performs, once the environment of its base is known. */
type KnownPlan = Pick<BuildPlan, "steps" | "config">;

/** A capsule in which some steps of a build are done. */
interface BegunBuild {
  readonly capsule: BuildCapsule;
  readonly done: number;
  /** Keeps the state behind a step. */
  readonly keep: (step: PlannedStep) => Promise<void>;
}

/** Builds templates in capsules (decision 52). */
export class CapsuleBuilder implements TemplateBuilder {
  readonly #deps: CapsuleBuilderDeps;
  readonly #cache: StepCache;

  constructor(deps: CapsuleBuilderDeps) {
    this.#deps = deps;
    this.#cache = new StepCache(deps);
  }

  async build(
    job: BuildJob,
    report: BuildReport,
    signal: AbortSignal,
  ): Promise<BuiltTemplate | FoundVersion> {
    try {
      return await this.#build(job, report, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async #build(
    job: BuildJob,
    report: BuildReport,
    signal: AbortSignal,
  ): Promise<BuiltTemplate | FoundVersion> {
    const cached = await this.#cache.find(job, signal);
    const versionId =
      job.repeatFrom === undefined ? await job.findMade([...cached.results.values()]) : undefined;
    if (versionId !== undefined) {
      await reportAsCached(job.steps, report);
      return { versionId };
    }
    const begun = await this.#start(job, cached, signal);
    await using capsule = begun.capsule;
    const { hostId } = capsule;
    await report.placed({ capsuleId: capsule.id, hostId });
    capsule.adopted();
    const keep = async (step: PlannedStep): Promise<void> =>
      await this.#cache.keep(job, capsule, step, cached, signal);
    const { plan, steps } = await performSteps(job, { capsule, done: begun.done, keep }, report, signal);
    const { config } = plan;
    const check = readinessOf(job.healthcheck, config);
    const program = startCommandOf(config);
    const memory = check !== undefined || program !== undefined;
    const scope = { user: config.user, cwd: config.workdir, envs: config.env };
    const { clock } = this.#deps;
    const becomeReady = async (): Promise<void> => {
      if (job.secrets.size > 0) {
        // What the build had in memory is no part of the template.
        await capsule.reboot(signal);
        for (const step of plan.steps) await steps.start(step);
      }
      await settle(capsule, { check, program, scope }, clock, signal);
    };
    if (memory) await inPhase(report, "settle", becomeReady);

    const { hostKey } = job;
    await report.storing({ hostKey, hostId });
    const defaults = { user: config.user, envs: config.env, ...defined({ cwd: config.workdir }) };
    const freeze = async (): Promise<TemplateFacts> =>
      await capsule.freeze(hostKey, { memory, ownPrograms: job.ownPrograms, defaults }, signal);
    const facts = await inPhase(report, "freeze", freeze);
    const buildKey = cached.results.get(hostId);
    const built = builtTemplate(job, {
      hostKey,
      hostId,
      diskMib: capsule.diskMib,
      facts,
      defaults,
      buildKey,
    });
    await inPhase(report, "smoke test", async () => {
      for (let test = 1; test <= SMOKE_TESTS; test++) await this.#smokeTest(job, built, signal);
    });
    return built;
  }

  /** The capsule of a build, and how many of its steps are done in it: one that cannot be started so is started from the base. */
  async #start(
    job: BuildJob,
    { found: moment }: CachedSteps,
    signal: AbortSignal,
  ): Promise<{ readonly capsule: BuildCapsule; readonly done: number }> {
    const { capsules, logger } = this.#deps;
    const { team, base, baseName: template, vcpus, memoryMib, id: build } = job;
    const request = { team, base, template, vcpus, memoryMib, build };
    if (!moment) return { capsule: await capsules.start(request, signal), done: 0 };
    try {
      return { capsule: await capsules.start({ ...request, moment }, signal), done: moment.index + 1 };
    } catch (error) {
      signal.throwIfAborted();
      logger.warn("build.cache_unused", { build, problem: problemOf(error) });
    }
    const capsule = await capsules.start(request, signal);
    // The moment is at fault, as its base starts. Kept, it would fail again in every build, and the step could not be kept anew.
    await capsules.forget(moment.hostId, [moment.key], signal).catch((error: unknown) => {
      logger.warn("build.cache_unread", { build, problem: problemOf(error) });
    });
    return { capsule, done: 0 };
  }

  /** A capsule of the new template runs a command. @throws WrennError `build_not_starting`. */
  async #smokeTest(job: BuildJob, built: BuiltTemplate, signal: AbortSignal): Promise<void> {
    const { hostKey, hostId, vcpus, memoryMib, diskMib, network } = built;
    const base = {
      ...job.base,
      hostKey,
      hostId,
      shape: { vcpus, memoryMib },
      diskMib,
      ...(network && { network }),
    };
    const request = { team: job.team, base, template: job.name, vcpus, memoryMib, build: job.id };
    let console = "";
    try {
      await using capsule = await this.#deps.capsules.start(request, signal);
      try {
        // With the user and in the directory that its capsules have.
        const test = { cmd: "true", args: [], scope: { user: "", envs: {} }, timeoutMs: OWN_MS };
        const end = await runCommand(capsule.processes, test, async () => {}, signal);
        const problem = problemWith(end, OWN_MS);
        const hasNone = job.fromImage && end.exitCode === NOT_FOUND;
        if (problem !== undefined && !hasNone) throw new Error(problem);
      } catch (error) {
        console = await capsule.consoleEnd(signal).catch(() => "");
        throw error;
      }
    } catch (error) {
      signal.throwIfAborted();
      const end = console.trimEnd().slice(-CONSOLE_END);
      const problem = `${problemOf(error)}${end === "" ? "" : `; its console ends with: ${end}`}`;
      throw new WrennError("build_not_starting", { problem }, { cause: error });
    }
  }
}

async function reportAsCached(steps: readonly PlannedStep[], report: BuildReport): Promise<void> {
  for (const step of steps) {
    await report.stepStarted(step);
    await report.stepEnded({ ok: true, cached: true });
  }
}

/** Performs those steps of a build that are not done. @throws StepFailed. */
async function performSteps(
  job: BuildJob,
  { capsule, done, keep }: BegunBuild,
  report: BuildReport,
  signal: AbortSignal,
): Promise<{ readonly plan: KnownPlan; readonly steps: BuildSteps }> {
  const plan = job.fromImage ? job : await planWithEnvironment(job, capsule, signal);
  const take = async (stream: "stdout" | "stderr", text: string): Promise<void> =>
    await report.output(stream, text);
  const steps = new BuildSteps({ capsule, job, take, signal });
  for (const step of plan.steps) {
    await report.stepStarted(step);
    if (step.step <= done) {
      await report.stepEnded({ ok: true, cached: true });
      continue;
    }
    try {
      const exit = await steps.perform(step);
      await report.stepEnded({ exit, ok: true });
    } catch (error) {
      if (error instanceof StepFailed) await report.stepEnded({ exit: error.exitCode, ok: false });
      throw error;
    }
    await keep(step);
  }
  if (plan.steps.some(hasCache))
    await runCommand(
      capsule.processes,
      { cmd: "rm", args: ["-rf", "--", CACHES], scope: rootScope, timeoutMs: OWN_MS },
      async () => {},
      signal,
    );
  return { plan, steps };
}

async function planWithEnvironment(
  job: BuildJob,
  { processes }: BuildCapsule,
  signal: AbortSignal,
): Promise<KnownPlan> {
  const printed = { cmd: "env", args: ["-0"], scope: rootScope, timeoutMs: OWN_MS };
  const { stdout } = await runCommand(processes, printed, async () => {}, signal);
  return job.plan(inheritedEnvironment(stdout));
}

function hasCache({ action }: PlannedStep): boolean {
  return action.type === "run" && action.mounts.some(({ type }) => type === "cache");
}

function builtTemplate(
  { base }: BuildJob,
  made: {
    readonly hostKey: string;
    readonly hostId: string;
    readonly diskMib: number;
    readonly facts: TemplateFacts;
    readonly defaults: TemplateDefaults;
    readonly buildKey: string | undefined;
  },
): BuiltTemplate {
  const { hostKey, hostId, diskMib, facts, defaults, buildKey } = made;
  return {
    hostKey,
    hostId,
    diskMib,
    vcpus: facts.vcpus,
    memoryMib: facts.memoryMib,
    sizeBytes: facts.sizeBytes,
    metadata: {},
    defaultUser: defaults.user,
    defaultEnv: defaults.envs,
    ...defined({ defaultCwd: defaults.cwd, network: base.network, buildKey }),
  };
}
