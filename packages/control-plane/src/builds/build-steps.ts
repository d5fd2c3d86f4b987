import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import type { CopyAction, StepProgram } from "@wrenn/recipe";
import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand, startCommand } from "./build-commands.ts";
import type { BuildCommand, StepScope, TakeOutput } from "./build-commands.ts";
import { copyFiles, ownerAsArgument } from "./copy-files.ts";
import type { PackedFiles } from "./copy-files.ts";
import type { PlannedStep } from "./recipe.ts";
import { MountFailed, mountFiles } from "./run-mounts.ts";
import type { MountedFiles } from "./run-mounts.ts";
import { StepFailed } from "./template-builder.ts";
import type { BuildJob } from "./template-builder.ts";
import { FILES, unpackArchive } from "./unpack-archive.ts";

/** Of a command of a recipe that names no time limit itself. */
const RUN_MS = 10 * 60_000;
/** Of what the builder does itself for a step. */
const OWN_MS = 60_000;
/** Script of a step that names its interpreter itself. */
const SCRIPT = "/tmp/build-script";

export interface BuildStepsDeps {
  readonly capsule: Pick<BuildCapsule, "processes" | "files">;
  readonly job: Pick<BuildJob, "archive" | "sources" | "secrets">;
  readonly take: TakeOutput;
  readonly signal: AbortSignal;
}

/** The exit code of a step's process; undefined for a step that has none. */
type StepExit = number | undefined;

/** Performs the instructions of a recipe in a capsule (docs/reference/builds.md#recipes). */
export class BuildSteps {
  readonly #deps: BuildStepsDeps;
  #isUnpacked = false;

  constructor(deps: BuildStepsDeps) {
    this.#deps = deps;
  }

  /**
   * @returns the exit code 0 of a step with a process, or nothing.
   * @throws StepFailed, which has the exit code of a process; WrennError of the capsule's host.
   */
  async perform(step: PlannedStep): Promise<StepExit> {
    const { action } = step;
    switch (action.type) {
      case "run":
        return await this.#run(step, action);
      case "start":
        return await this.start(step);
      case "directory":
        return await this.#makeDirectory(step, action);
      case "user":
        return await this.#makeUser(step, action.name);
      case "copy":
        return this.#deps.job.sources === undefined && action.sources.length > 0
          ? await this.#copyNamed(step, action)
          : await this.#copyPacked(step, action);
      case "config":
        return undefined;
    }
  }

  /** Starts what a step leaves running; nothing for other steps. @throws StepFailed. */
  async start(step: PlannedStep): Promise<StepExit> {
    const { action } = step;
    if (action.type !== "start") return undefined;
    const { capsule, signal } = this.#deps;
    const start = { ...(await this.#programOf(step, action.program)), scope: scopeOf(step) };
    await asStep(step, startCommand(capsule.processes, start, signal));
    return undefined;
  }

  async #run(
    step: PlannedStep,
    { program, timeoutMs = RUN_MS, mounts }: Extract<PlannedStep["action"], { readonly type: "run" }>,
  ): Promise<StepExit> {
    const { capsule, take, signal, job } = this.#deps;
    const scope = scopeOf(step);
    let mounted: MountedFiles | undefined;
    if (mounts.length > 0) {
      const { user } = scope;
      const files = { mounts, user, secrets: job.secrets, packed: this.#packedFor(step) };
      mounted = await asStep(step, mountFiles(capsule, files, signal));
    }
    const envs = { ...scope.envs, ...mounted?.envs };
    const run = { ...(await this.#programOf(step, program)), scope: { ...scope, envs }, timeoutMs };
    const end = await asStep(step, runCommand(capsule.processes, run, take, signal));
    const problem = problemWith(end, timeoutMs);
    if (problem !== undefined) throw new StepFailed(step, problem, end.exitCode);
    if (mounted) await asStep(step, mounted.unmount());
    if ("script" in program) await capsule.files.remove(SCRIPT, { user: "root", recursive: false, signal });
    return end.exitCode;
  }

  #packedFor({ step }: PlannedStep): PackedFiles | undefined {
    const { archive, sources } = this.#deps.job;
    const source = sources?.get(step);
    return archive && source && { archive, step, source };
  }

  async #programOf(step: PlannedStep, program: StepProgram): Promise<Pick<BuildCommand, "cmd" | "args">> {
    if ("script" in program) {
      const { capsule, signal } = this.#deps;
      const options = { user: "root", mode: 0o755, signal };
      await asStep(step, capsule.files.write(SCRIPT, bytesOf(program.script), options));
      return { cmd: SCRIPT, args: [] };
    }
    const [cmd = "", ...args] = program.argv;
    return { cmd, args };
  }

  async #makeDirectory(
    step: PlannedStep,
    { path, owner }: Extract<PlannedStep["action"], { readonly type: "directory" }>,
  ): Promise<StepExit> {
    const { capsule, signal } = this.#deps;
    if (await this.#isDirectory(step, path)) return undefined;
    await asStep(step, capsule.files.makeDirectory(path, { user: "root", signal }));
    // Images need no program for what is root's anyway.
    if (owner !== "root") await this.#own(step, "chown", ["--", ownerAsArgument(owner), path]);
    return undefined;
  }

  async #isDirectory(step: PlannedStep, path: string): Promise<boolean> {
    const { capsule, signal } = this.#deps;
    const look = capsule.files
      .stat(path, { user: "root", follow: true, signal })
      .catch(nothingFor("path_not_found"));
    return (await asStep(step, look))?.type === "directory";
  }

  /** Makes a user that is missing: with a home, a shell, no password, and sudo where there is sudo. */
  async #makeUser(step: PlannedStep, name: string): Promise<StepExit> {
    const { capsule, signal } = this.#deps;
    const look = capsule.files.stat("/", { user: name, signal }).catch(nothingFor("user_not_found"));
    if (await asStep(step, look)) return undefined;
    await this.#own(step, "useradd", ["--create-home", "--shell", "/bin/bash", "--", name]);
    if (await this.#isDirectory(step, "/etc/sudoers.d")) {
      const line = bytesOf(`${name} ALL=(ALL) NOPASSWD: ALL\n`);
      await capsule.files.write(`/etc/sudoers.d/${name}`, line, { user: "root", mode: 0o440, signal });
    }
    return undefined;
  }

  /** COPY of files of an archive, by their names in it. */
  async #copyNamed(step: PlannedStep, action: CopyAction): Promise<StepExit> {
    const { job, capsule, take, signal } = this.#deps;
    // With the first step that copies: what the archive is wrong about belongs to it.
    if (job.archive && !this.#isUnpacked) {
      const problem = await unpackArchive(capsule, job.archive, take, signal);
      if (problem !== undefined) throw new StepFailed(step, `the archive cannot be unpacked: ${problem}`);
      this.#isUnpacked = true;
    }
    const sources = action.sources.map(({ pattern }) => pattern || ".");
    const { target, owner } = action;
    const isDirectory = action.targetIsDirectory || (await this.#isDirectory(step, target));
    const parent = isDirectory ? target : target.slice(0, target.lastIndexOf("/")) || "/";
    await this.#own(step, "mkdir", ["-p", "--", parent]);
    await this.#own(step, "cp", ["-R", "--", ...sources, target]);
    const base = target.replace(/\/+$/, "");
    const copies = isDirectory
      ? sources.map((path) => `${base}/${path.slice(path.lastIndexOf("/") + 1)}`)
      : [target];
    await this.#own(step, "chown", ["-R", "--no-dereference", "--", ownerAsArgument(owner), ...copies]);
    return undefined;
  }

  async #copyPacked(step: PlannedStep, action: CopyAction): Promise<StepExit> {
    const { job, capsule, take, signal } = this.#deps;
    const packed = job.sources?.get(step.step);
    const files = { action, step: step.step, archive: job.archive, packed };
    const failure = await asStep(step, copyFiles(capsule, files, take, signal));
    if (failure) throw new StepFailed(step, failure.problem, failure.exitCode);
    return undefined;
  }

  /** A command of the builder's own, as root among the files of the archive. @throws StepFailed unless it succeeds. */
  async #own(step: PlannedStep, cmd: string, args: readonly string[]): Promise<void> {
    const { capsule, take, signal } = this.#deps;
    const scope = { ...rootScope, cwd: step.action.type === "copy" ? FILES : "/" };
    const run: BuildCommand = { cmd, args, scope, timeoutMs: OWN_MS };
    const end = await asStep(step, runCommand(capsule.processes, run, take, signal));
    const problem = problemWith(end, OWN_MS);
    if (problem !== undefined) throw new StepFailed(step, problem, end.exitCode);
  }
}

/** Whose processes a step starts. The steps behind a recipe are the builder's own. */
function scopeOf({ phase, state }: PlannedStep): StepScope {
  const { user, cwd, environment } = state;
  return phase === "post-build" ? rootScope : { user, cwd, envs: environment };
}

/** What a step asks of its capsule in vain is a fault of its recipe: a directory that is not there, an unknown user. */
async function asStep<T>(step: PlannedStep, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof MountFailed || (error instanceof WrennError && error.entry.fault === "user"))
      throw new StepFailed(step, error.message);
    throw error;
  }
}

/** Takes one kind of error for the answer that there is nothing. */
function nothingFor(reason: ErrorReason): (error: unknown) => undefined {
  return (error) => {
    if (!WrennError.is(error, reason)) throw error;
  };
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
