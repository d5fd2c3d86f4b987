import { WrennError } from "@wrenn/core";
import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, rootScope, runCommand, startCommand } from "./build-commands.ts";
import type { BuildCommand, TakeOutput } from "./build-commands.ts";
import type { PlannedStep } from "./recipe.ts";
import type { RecipeSettings } from "./recipe-settings.ts";
import type { StepScope } from "./recipe-settings.ts";
import { StepFailed } from "./template-builder.ts";

/** Of a command of a recipe that names no time limit itself. */
const RUN_MS = 10 * 60_000;
/** Of what the builder does itself for a step. */
const OWN_MS = 60_000;
const LIMIT = /^--timeout=\S+\s+/;

/** Where the files of a build's archive are while it runs; the last steps of a build remove it. */
export const FILES = "/tmp/build-files";

export interface BuildStepsDeps {
  readonly capsule: Pick<BuildCapsule, "processes" | "files">;
  readonly state: RecipeSettings;
  readonly take: TakeOutput;
  readonly signal: AbortSignal;
}

/** The exit code of a step's process; undefined for a step that has none. */
type StepExit = number | undefined;

/** Performs the instructions of a recipe in a capsule (docs/reference/builds.md#recipes). */
export class BuildSteps {
  readonly #deps: BuildStepsDeps;

  constructor(deps: BuildStepsDeps) {
    this.#deps = deps;
  }

  /**
   * @returns the exit code 0 of a step with a process, or nothing.
   * @throws StepFailed, which has the exit code of a process; WrennError of the capsule's host.
   */
  async perform(step: PlannedStep): Promise<StepExit> {
    const [keyword = ""] = step.cmd.split(" ", 1);
    const rest = step.cmd.slice(keyword.length + 1);
    switch (keyword) {
      case "RUN":
        return await this.#run(step, rest);
      case "START":
        return await this.#start(step, rest);
      case "ENV":
        return this.#setVariable(rest);
      case "WORKDIR":
        return await this.#enter(step, rest);
      case "USER":
        return await this.#become(step, rest);
      case "COPY":
        return await this.#copy(step, rest.split(/\s+/));
      default:
        throw new Error(`a planned step has no instruction: ${step.cmd}`);
    }
  }

  /** Takes over what a step has set that was performed in an earlier build. */
  note({ cmd }: PlannedStep): void {
    const { state } = this.#deps;
    const at = cmd.indexOf(" ");
    const rest = cmd.slice(at + 1);
    if (cmd.startsWith("ENV ")) this.#setVariable(rest);
    if (cmd.startsWith("WORKDIR ")) state.cwd = state.resolve(rest);
    if (cmd.startsWith("USER ")) state.user = rest;
  }

  async #run(step: PlannedStep, text: string): Promise<StepExit> {
    const { timeoutMs = RUN_MS } = step;
    const command = text.replace(LIMIT, "");
    const { capsule, take, signal } = this.#deps;
    const run = { cmd: "/bin/sh", args: ["-c", command], scope: this.#scopeOf(step), timeoutMs };
    const end = await asStep(step, runCommand(capsule.processes, run, take, signal));
    const problem = problemWith(end, timeoutMs);
    if (problem !== undefined) throw new StepFailed(step, problem, end.exitCode);
    return end.exitCode;
  }

  async #start(step: PlannedStep, command: string): Promise<StepExit> {
    const { capsule, signal } = this.#deps;
    const start = { cmd: "/bin/sh", args: ["-c", command], scope: this.#scopeOf(step) };
    await asStep(step, startCommand(capsule.processes, start, signal));
    return undefined;
  }

  #setVariable(text: string): StepExit {
    const at = text.indexOf("=");
    this.#deps.state.setVariable(text.slice(0, at), text.slice(at + 1));
    return undefined;
  }

  async #enter(step: PlannedStep, path: string): Promise<StepExit> {
    const { capsule, state, signal } = this.#deps;
    const directory = state.resolve(path);
    const isThere = await this.#own(step, "test", ["-d", directory], false);
    if (!isThere) {
      await asStep(step, capsule.files.makeDirectory(directory, { user: "root", signal }));
      await this.#own(step, "chown", ["--", `${state.user}:`, directory]);
    }
    state.cwd = directory;
    return undefined;
  }

  /** Makes a user that is missing: with a home, a shell, no password, and sudo where there is sudo. */
  async #become(step: PlannedStep, name: string): Promise<StepExit> {
    const { capsule, state, signal } = this.#deps;
    if (!(await this.#own(step, "id", ["-u", "--", name], false))) {
      await this.#own(step, "useradd", ["--create-home", "--shell", "/bin/bash", "--", name]);
      if (await this.#own(step, "test", ["-d", "/etc/sudoers.d"], false)) {
        const line = Buffer.from(`${name} ALL=(ALL) NOPASSWD: ALL\n`);
        const content = (async function* () {
          yield line;
        })();
        await capsule.files.write(`/etc/sudoers.d/${name}`, content, { user: "root", mode: 0o440, signal });
      }
    }
    state.user = name;
    return undefined;
  }

  async #copy(step: PlannedStep, paths: readonly string[]): Promise<StepExit> {
    const { state } = this.#deps;
    const sources = paths.slice(0, -1).map((path) => path.replace(/\/+$/, "") || ".");
    const given = paths.at(-1) ?? "";
    const target = state.resolve(given);
    const isDirectory =
      sources.length > 1 || given.endsWith("/") || (await this.#own(step, "test", ["-d", target], false));
    const parent = isDirectory ? target : target.slice(0, target.lastIndexOf("/")) || "/";
    await this.#own(step, "mkdir", ["-p", "--", parent]);
    await this.#own(step, "cp", ["-R", "--", ...sources, target]);
    const base = target.replace(/\/+$/, "");
    const copies = isDirectory
      ? sources.map((path) => `${base}/${path.slice(path.lastIndexOf("/") + 1)}`)
      : [target];
    await this.#own(step, "chown", ["-R", "--no-dereference", "--", `${state.user}:`, ...copies]);
    return undefined;
  }

  /** A command of the builder's own, as root among the files of the archive. @returns whether it succeeded, unless it `must`. */
  async #own(step: PlannedStep, cmd: string, args: readonly string[], must = true): Promise<boolean> {
    const { capsule, take, signal } = this.#deps;
    const scope = { ...rootScope, cwd: step.cmd.startsWith("COPY ") ? FILES : "/" };
    const run: BuildCommand = { cmd, args, scope, timeoutMs: OWN_MS };
    const end = await asStep(step, runCommand(capsule.processes, run, must ? take : async () => {}, signal));
    const problem = problemWith(end, OWN_MS);
    if (problem !== undefined && must) throw new StepFailed(step, problem, end.exitCode);
    return problem === undefined;
  }

  /** The steps behind a recipe are the builder's own. */
  #scopeOf({ phase }: PlannedStep): StepScope {
    return phase === "post-build" ? rootScope : this.#deps.state.scope;
  }
}

/** What a step asks of its capsule in vain is a fault of its recipe: a directory that is not there, an unknown user. */
async function asStep<T>(step: PlannedStep, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof WrennError && error.entry.fault === "user")
      throw new StepFailed(step, error.message);
    throw error;
  }
}
