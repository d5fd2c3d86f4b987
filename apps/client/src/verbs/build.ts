import { isWrennError } from "@wrenn/sdk";
import type { Build, BuildContextProblem, BuildLogLine, BuildOptions, BuildStep, Wrenn } from "@wrenn/sdk";
import type { RecipeProblem } from "@wrenn/recipe";
import { buildArgs, buildSecrets, registryLogin } from "../builds/build-inputs.ts";
import { titleOf } from "../builds/build-tasks.ts";
import { LiveView, PlainView, quietView } from "../builds/build-view.ts";
import type { BuildView } from "../builds/build-view.ts";
import { readRecipe, recipeInvalid } from "../builds/read-recipe.ts";
import type { LocalRecipe } from "../builds/read-recipe.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { suggest } from "../output/suggest.ts";
import { escapeText } from "../output/escape-text.ts";
import { sizeText } from "../output/size-text.ts";

export interface BuildVerbOptions {
  /** `name` or `name:tag` of the template; required. */
  readonly tag?: string | undefined;
  /** Path of the recipe; `-` is standard input. */
  readonly file?: string;
  readonly buildArg?: readonly string[];
  readonly secret?: readonly string[];
  /** Name of the user of the registry; the password is in the environment. */
  readonly registryUser?: string;
  /** False: nothing is taken from earlier builds. */
  readonly cache: boolean;
  readonly fromStep?: number;
  readonly from?: string;
  readonly healthcheck?: string;
  readonly vcpus?: number;
  /** MiB. */
  readonly memory?: number;
  /** Problems of the context are fatal. */
  readonly strict?: boolean;
  /** `auto`: live on a terminal, else line by line, and nothing under `--json`. */
  readonly progress: "auto" | "plain" | "quiet";
  readonly detach?: boolean;
}

/** Time for the question whether a cancelled build still runs. */
const LOOK_MS = 3000;
/** Problems of a context that are shown. */
const MOST_PROBLEMS = 20;

/**
 * Builds a template from a recipe and the files of a directory. Shows the steps on standard error and prints the name of the template,
 * or with `detach` the id of the build at once.
 */
export async function build(
  context: Context,
  directory: string | undefined,
  options: BuildVerbOptions,
): Promise<void> {
  const { tag: name } = options;
  if (name === undefined)
    throw new ClientError(
      "usage",
      "option_missing",
      "--tag names the template, and is missing",
      "Write wrenn build -t NAME DIRECTORY.",
    );
  const recipe = await readRecipe(context, { file: options.file, directory });
  await buildRecipe(context, { name, recipe, directory }, options);
}

/** What is built. */
export interface BuiltRecipe {
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  readonly recipe: LocalRecipe;
  readonly directory?: string | undefined;
}

/** Builds a template from a recipe that was read. Shows and prints the same as {@link build}. */
export async function buildRecipe(
  context: Context,
  { name, recipe, directory }: BuiltRecipe,
  options: BuildVerbOptions,
): Promise<void> {
  const { terminal, output, signal } = context;
  requirePossible(recipe, options);
  const args = buildArgs(options.buildArg ?? [], terminal.env);
  requireDeclared(recipe, args);
  const problems: BuildContextProblem[] = [];
  const what: BuildOptions = {
    name,
    recipe: recipe.text,
    recipeFile: recipe.file,
    recipePath: recipe.path,
    context: directory,
    strict: options.strict,
    onProblem: (problem) => problems.push(problem),
    onUpload: ({ entries, size }) => {
      showProblems(context, directory ?? ".", problems);
      if (!isQuiet(context, options))
        output.note(`sending ${entries} ${entries === 1 ? "file" : "files"} (${sizeText(size)})`);
    },
    args: nonEmpty(args),
    secrets: nonEmpty(await buildSecrets(options.secret ?? [], terminal.env, signal)),
    registryLogin: registryLogin(options.registryUser, terminal.env),
    noCache: options.cache ? undefined : true,
    fromStep: options.fromStep,
    baseTemplate: options.from,
    healthcheck: options.healthcheck,
    vcpus: options.vcpus,
    memoryMib: options.memory,
    signal,
  };
  const wrenn = await context.wrenn();
  try {
    if (options.detach === true) {
      const started = await wrenn.builds.create(what);
      output.data(started, () => `${started.id}\n`);
    } else {
      const run = async (followed: Followed): Promise<Build> =>
        await wrenn.templates.build({ ...what, ...followed });
      const ended = await follow(context, wrenn, run, options);
      output.data(ended, () => `${ended.name}\n`);
    }
  } catch (error) {
    throw explain(error, recipe, context);
  }
}

/** What the SDK is to call. */
export interface Followed {
  readonly onStart: (build: Build) => void;
  readonly onLog: (line: BuildLogLine) => void;
}

/** Runs a build and shows its steps. An interrupt cancels it. */
export async function follow(
  context: Context,
  wrenn: Wrenn,
  run: (followed: Followed) => Promise<Build>,
  options: Pick<BuildVerbOptions, "progress">,
): Promise<Build> {
  let view: BuildView = quietView;
  let started: Build | undefined;
  try {
    return await run({
      onStart: (build) => {
        started = build;
        view = viewOf(context, options, build.totalSteps);
      },
      onLog: (line) => view.take(line),
    });
  } catch (error) {
    view.close();
    if (started !== undefined && !isWrennError(error, "build_failed"))
      await reportLeft(context, wrenn, started.id);
    throw error;
  } finally {
    view.close();
  }
}

function nonEmpty<T extends object>(values: T): T | undefined {
  return Object.keys(values).length === 0 ? undefined : values;
}

export function isQuiet({ output }: Context, { progress }: Pick<BuildVerbOptions, "progress">): boolean {
  return progress === "quiet" || (progress === "auto" && output.isJson);
}

function viewOf(context: Context, options: Pick<BuildVerbOptions, "progress">, total: number): BuildView {
  const { stderr, env } = context.terminal;
  if (isQuiet(context, options)) return quietView;
  const isLive = options.progress === "auto" && stderr.isTTY && env["TERM"] !== "dumb";
  return isLive ? new LiveView(stderr, total) : new PlainView(stderr, total);
}

/** Reports the state of a build that the command no longer follows. */
async function reportLeft({ output }: Context, wrenn: Wrenn, id: string): Promise<void> {
  if (output.isJson) return;
  try {
    const { status, isOver } = await wrenn.builds.get(id, { signal: AbortSignal.timeout(LOOK_MS) });
    output.note(isOver ? `build ${id}: ${status}` : `build ${id} still runs`);
  } catch {
    output.note(`build ${id} may still run`);
  }
}

function requirePossible({ file, hasFrom, steps }: LocalRecipe, { from, fromStep }: BuildVerbOptions): void {
  if (from !== undefined && hasFrom)
    throw new ClientError(
      "usage",
      "usage",
      `--from does not go with FROM of ${file}`,
      "Leave one of them out; ARG before FROM makes the base an argument.",
    );
  if (fromStep !== undefined && fromStep > steps.length)
    throw new ClientError(
      "usage",
      "usage",
      `--from-step ${fromStep}: ${file} has ${steps.length} steps`,
      "Name a step by its number, as the build shows it.",
    );
}

/** The server refuses an argument that is of no use; here it is known which one was meant. */
function requireDeclared({ file, declared }: LocalRecipe, args: Readonly<Record<string, string>>): void {
  const stray = Object.keys(args).find((name) => !declared.has(name));
  if (stray === undefined) return;
  const near = suggest(stray, [...declared]);
  throw new ClientError(
    "usage",
    "usage",
    `--build-arg ${stray}: no ARG of ${file} declares it`,
    near === undefined ? `Write ARG ${stray} into the recipe, or leave it out.` : `Did you mean ${near}?`,
  );
}

function showProblems(
  { output }: Context,
  directory: string,
  problems: readonly BuildContextProblem[],
): void {
  if (output.isJson) return;
  for (const { path, message } of problems.slice(0, MOST_PROBLEMS))
    output.note(`wrenn: ${escapeText(`${directory}: ${path} ${message}`)}`);
  const more = problems.length - MOST_PROBLEMS;
  if (more > 0) output.note(`wrenn: and ${more} more; .dockerignore leaves out what is not needed`);
}

/** Failures in words of the recipe: with positions, and with the instruction that failed. */
export function explain(
  error: unknown,
  recipe: Pick<LocalRecipe, "file" | "steps">,
  { output, signal }: Context,
): unknown {
  if (signal.aborted || !isWrennError(error)) return error;
  const { details } = error;
  if (error.code === "recipe_invalid" && Array.isArray(details?.["problems"]))
    return recipeInvalid(details["problems"] as readonly RecipeProblem[], recipe.file, output);
  if (error.code !== "build_failed") return error;
  const { build, step, lines } = details as {
    readonly build: Build;
    readonly step?: BuildStep;
    readonly lines: readonly BuildLogLine[];
  };
  const place = step && recipe.steps[step.step - 1];
  const position = place === undefined ? "" : `${recipe.file}:${place.line}:${place.column}: `;
  if (!output.isJson) {
    output.note("------");
    if (step !== undefined)
      output.note(` > [${step.step}/${build.totalSteps}] ${escapeText(titleOf(step.cmd))}:`);
    for (const { text } of lines) output.note(escapeText(text));
    output.note("------");
  }
  return new ClientError(
    "failed",
    build.reason ?? "build_failed",
    `${position}build ${build.id} has ended: ${build.error ?? build.status}`,
    step === undefined
      ? "The lines above are the last of its log."
      : "Correct the instruction, and build again: steps before it are not repeated.",
    { cause: error },
  );
}
