import { defined, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import type { TemplateFacts } from "@wrenn/protocol";
import { problemWith, rootScope, runCommand } from "./build-commands.ts";
import type { BuildCapsule, BuildCapsules, TemplateDefaults } from "./build-capsules.ts";
import { BuildSteps } from "./build-steps.ts";
import { parseHealthcheck, untilHealthy } from "./healthcheck.ts";
import type { Healthcheck } from "./healthcheck.ts";
import { environmentOf, StepState } from "./step-state.ts";
import { StepFailed } from "./template-builder.ts";
import type { BuildJob, BuildReport, BuiltTemplate, TemplateBuilder } from "./template-builder.ts";
import { unpackArchive } from "./unpack-archive.ts";

const OWN_MS = 60_000;
/** Capsules that are started from a new template before it gets its name. */
const SMOKE_TESTS = 2;
/** Characters of a console that an error shows. */
const CONSOLE_END = 800;

export interface CapsuleBuilderDeps {
  readonly capsules: BuildCapsules;
  readonly clock: Clock;
  readonly random: Random;
}

/** Builds templates in capsules (decision 51). */
export class CapsuleBuilder implements TemplateBuilder {
  readonly #deps: CapsuleBuilderDeps;

  constructor(deps: CapsuleBuilderDeps) {
    this.#deps = deps;
  }

  async build(job: BuildJob, report: BuildReport, signal: AbortSignal): Promise<BuiltTemplate> {
    try {
      return await this.#build(job, report, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  async #build(job: BuildJob, report: BuildReport, signal: AbortSignal): Promise<BuiltTemplate> {
    const { capsules, random } = this.#deps;
    const healthcheck = parseHealthcheck(job.healthcheck);
    const { team, base, baseName: template, vcpus, memoryMib, id: build } = job;
    await using capsule = await capsules.start({ team, base, template, vcpus, memoryMib, build }, signal);
    const { hostId } = capsule;
    await report.placed({ capsuleId: capsule.id, hostId });
    capsule.adopted();
    const { defaults } = await performSteps(job, capsule, report, signal);
    if (healthcheck) await this.#awaitHealth(healthcheck, capsule, defaults, signal);

    const hostKey = `tpl-${random.uuid()}`;
    await report.storing({ hostKey, hostId });
    const facts = await capsule.freeze(hostKey, { memory: healthcheck !== undefined, defaults }, signal);
    const built = builtTemplate(job, { hostKey, hostId, diskMib: capsule.diskMib, facts, defaults });
    for (let test = 1; test <= SMOKE_TESTS; test++) await this.#smokeTest(job, built, signal);
    return built;
  }

  async #awaitHealth(
    healthcheck: Healthcheck,
    { processes }: BuildCapsule,
    scope: TemplateDefaults,
    signal: AbortSignal,
  ): Promise<void> {
    const { command, timeoutMs } = healthcheck;
    const check = { cmd: "/bin/sh", args: ["-c", command], scope, timeoutMs };
    const attempt = async (): Promise<string | undefined> =>
      problemWith(await runCommand(processes, check, async () => {}, signal), timeoutMs);
    await untilHealthy(healthcheck, attempt, this.#deps.clock, signal);
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
        const problem = problemWith(
          await runCommand(capsule.processes, test, async () => {}, signal),
          OWN_MS,
        );
        if (problem !== undefined) throw new Error(problem);
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

/** Performs the steps of a build. @returns what they have set. @throws StepFailed. */
async function performSteps(
  { steps, archive }: BuildJob,
  capsule: BuildCapsule,
  report: BuildReport,
  signal: AbortSignal,
): Promise<StepState> {
  const printed = { cmd: "env", args: ["-0"], scope: rootScope, timeoutMs: OWN_MS };
  const { stdout } = await runCommand(capsule.processes, printed, async () => {}, signal);
  const state = new StepState(environmentOf(stdout));
  const take = async (stream: "stdout" | "stderr", text: string): Promise<void> =>
    await report.output(stream, text);
  const perform = new BuildSteps({ capsule, state, take, signal });
  let isUnpacked = archive === undefined;
  for (const step of steps) {
    await report.stepStarted(step);
    try {
      // With the first step that copies: what the archive is wrong about belongs to it.
      if (archive && !isUnpacked && step.cmd.startsWith("COPY ")) {
        const problem = await unpackArchive(capsule, archive, take, signal);
        if (problem !== undefined) throw new StepFailed(step, `the archive cannot be unpacked: ${problem}`);
        isUnpacked = true;
      }
      const exit = await perform.perform(step);
      await report.stepEnded({ exit, ok: true });
    } catch (error) {
      if (error instanceof StepFailed) await report.stepEnded({ exit: error.exitCode, ok: false });
      throw error;
    }
  }
  return state;
}

function builtTemplate(
  { base }: BuildJob,
  made: {
    readonly hostKey: string;
    readonly hostId: string;
    readonly diskMib: number;
    readonly facts: TemplateFacts;
    readonly defaults: TemplateDefaults;
  },
): BuiltTemplate {
  const { hostKey, hostId, diskMib, facts, defaults } = made;
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
    ...defined({ defaultCwd: defaults.cwd, network: base.network }),
  };
}
