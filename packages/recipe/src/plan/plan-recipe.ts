import type {
  CopyBody,
  ReadinessCheck,
  RecipeCommand,
  RecipeInstruction,
} from "../instructions/instruction.ts";
import type { ParsedRecipe } from "../recipe.ts";
import { ProblemList, quote, refuse } from "../syntax/refusal.ts";
import type { Written } from "../syntax/written.ts";
import { emptyImageConfig } from "./image-config.ts";
import type { ImageCheck, ImageConfig } from "./image-config.ts";
import { homeOf, PlanVariables } from "./plan-variables.ts";
import {
  requireBase,
  requireContextPath,
  requireMode,
  requireOwner,
  requirePorts,
  requireSignal,
  resolveGuestPath,
} from "./plan-values.ts";
import type {
  CopyAction,
  RecipePlan,
  RecipeStep,
  StepAction,
  StepProgram,
  StepState,
} from "./recipe-step.ts";

export interface PlanOptions {
  /** Values for ARG. */
  readonly args?: Readonly<Record<string, string>>;
  /** Settings of the template that the build starts from. */
  readonly base?: Partial<ImageConfig>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Expands the variables of a recipe and says what each step does, and what holds for capsules afterwards. The same arguments and base
 * give the same plan.
 *
 * @throws RecipeError with every problem that was found, at most 20.
 */
export function planRecipe(recipe: ParsedRecipe, options: PlanOptions = {}): RecipePlan {
  const problems = new ProblemList(recipe.file);
  const planner = new RecipePlanner(recipe, options);
  for (const instruction of recipe.instructions) {
    if (problems.isFull) break;
    problems.attempt(() => planner.take(instruction));
  }
  problems.raise();
  return planner.plan();
}

/** Walks through the instructions; what it has is what holds at the one that was reached. */
class RecipePlanner {
  readonly #recipe: ParsedRecipe;
  readonly #variables: PlanVariables;
  readonly #config: Mutable<ImageConfig>;
  readonly #labels: Map<string, string>;
  readonly #steps: RecipeStep[] = [];
  #base: string | undefined;
  /** Whether FROM is still to come: ARG before it is not in the stage. */
  #beforeFrom: boolean;
  #hasCmd = false;

  constructor(recipe: ParsedRecipe, { args = {}, base = {} }: PlanOptions) {
    this.#recipe = recipe;
    this.#config = { ...emptyImageConfig, ...base };
    this.#labels = new Map(Object.entries(this.#config.labels));
    this.#variables = new PlanVariables(recipe, { env: this.#config.env, args });
    this.#variables.logIn(this.#config.user, this.#here);
    this.#beforeFrom = recipe.instructions.some(({ kind }) => kind === "FROM");
  }

  take(instruction: RecipeInstruction): void {
    if (instruction.kind === "FROM") {
      this.#base = requireBase(instruction.base, this.#variables.base(instruction.base));
      this.#beforeFrom = false;
      return;
    }
    if (instruction.kind === "ARG") {
      for (const pair of instruction.pairs) this.#variables.declareArg(pair, this.#beforeFrom);
      return;
    }
    const state = this.#state();
    this.#variables.logIn(this.#config.user, this.#here);
    const action = this.#act(instruction);
    this.#steps.push({ number: this.#steps.length + 1, instruction, action, state });
  }

  plan(): RecipePlan {
    return {
      base: this.#base,
      steps: this.#steps,
      config: {
        ...this.#config,
        env: this.#variables.env,
        labels: Object.fromEntries([...this.#labels].sort(([one], [other]) => (one < other ? -1 : 1))),
      },
      unusedArgs: this.#variables.unusedArgs,
    };
  }

  #state(): StepState {
    const { user, workdir, shell } = this.#config;
    return { environment: this.#variables.environment, cwd: workdir, user, shell };
  }

  /** Where relative paths of a recipe begin. */
  get #here(): string {
    return this.#config.workdir ?? homeOf(this.#config.user) ?? "/";
  }

  #act(instruction: Exclude<RecipeInstruction, { kind: "FROM" | "ARG" }>): StepAction {
    const config = this.#config;
    switch (instruction.kind) {
      case "RUN": {
        const { timeoutMs, mounts, command } = instruction;
        return { type: "run", program: this.#program(command), timeoutMs, mounts };
      }
      case "START":
        return { type: "start", program: this.#program(instruction.command) };
      case "COPY":
      case "ADD":
        return this.#copy(instruction, instruction.kind === "ADD");
      case "WORKDIR": {
        const path = this.#variables.words(instruction.path);
        if (path === "")
          refuse(instruction.path, "the path of WORKDIR is empty", "A variable that is not set is empty.");
        const directory = resolveGuestPath(this.#here, path);
        config.workdir = directory;
        return { type: "directory", path: directory, owner: config.user };
      }
      case "USER": {
        config.user = requireOwner(instruction.user, this.#variables.words(instruction.user));
        const [name = ""] = config.user.split(":");
        // An id needs no account.
        return /^\d/.test(name) ? { type: "config" } : { type: "user", name };
      }
      case "ENV":
        this.#variables.setEnv(instruction.pairs);
        break;
      case "LABEL":
        for (const { name, value } of instruction.pairs)
          this.#labels.set(
            this.#variables.words(name),
            value === undefined ? "" : this.#variables.words(value),
          );
        break;
      case "SHELL":
        config.shell = instruction.argv;
        break;
      case "CMD":
        config.cmd = this.#argv(instruction.command);
        this.#hasCmd = true;
        break;
      case "ENTRYPOINT":
        config.entrypoint = this.#argv(instruction.command);
        // As in Docker: the base's words were meant for the base's entry point.
        if (!this.#hasCmd) config.cmd = [];
        break;
      case "EXPOSE": {
        const ports = instruction.ports.map((written) => ({
          written,
          value: this.#variables.words(written),
        }));
        config.exposedPorts = requirePorts(config.exposedPorts, ports);
        break;
      }
      case "STOPSIGNAL":
        config.stopSignal = requireSignal(instruction.signal, this.#variables.words(instruction.signal));
        break;
      case "HEALTHCHECK":
        config.healthcheck = instruction.check === "none" ? undefined : this.#check(instruction.check);
        break;
    }
    return { type: "config" };
  }

  #copy(instruction: CopyBody, unpack: boolean): CopyAction {
    const variables = this.#variables;
    const { sources, files, target, chown, chmod } = instruction;
    const asked = variables.words(target);
    if (asked === "") refuse(target, "the target is empty", "A variable that is not set is empty.");
    const count = sources.length + files.length;
    const saysDirectory = /(?:^|\/)\.{0,2}$/.test(asked);
    if (count > 1 && !saysDirectory && this.#recipe.dialect === "file")
      refuse(
        target,
        `several sources need a directory as target, and ${quote(asked)} does not end with a slash`,
        `Write ${asked}/ as the target.`,
      );
    return {
      type: "copy",
      sources: sources.map((written) => ({
        pattern: this.#source(written),
        position: written.positionAt(0),
      })),
      files: files.map(({ name, expands, content }) => ({
        name: requireFileName(target, name),
        content: expands ? variables.text(content) : content.text,
      })),
      target: resolveGuestPath(this.#here, asked),
      targetIsDirectory: saysDirectory || count > 1,
      owner: chown === undefined ? this.#config.user : requireOwner(chown, variables.words(chown)),
      mode: chmod === undefined ? undefined : requireMode(chmod, variables.words(chmod)),
      unpack,
    };
  }

  #source(written: Written): string {
    const path = this.#variables.words(written);
    if (path === "") refuse(written, "the source is empty", "A variable that is not set is empty.");
    return requireContextPath(written, path);
  }

  #program(command: RecipeCommand): StepProgram {
    return command.form === "script" ? { script: command.text } : { argv: this.#argv(command) };
  }

  #argv(command: RecipeCommand): readonly string[] {
    return command.form === "exec" ? command.argv : [...this.#config.shell, command.text];
  }

  #check({ command, ...times }: ReadinessCheck): ImageCheck {
    return { ...times, argv: this.#argv(command) };
  }
}

function requireFileName(target: Written, name: string): string {
  if (name.includes("/") || name === "." || name === "..")
    refuse(target, `${quote(name)} is not the name of a file`, "Use a heredoc name without slashes.");
  return name;
}
