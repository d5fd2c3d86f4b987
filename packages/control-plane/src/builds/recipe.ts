import { WrennError } from "@wrenn/core";
import {
  formatProblem,
  parseReadinessCheck,
  parseRecipe,
  parseRecipeLines,
  planRecipe,
  RecipeError,
} from "@wrenn/recipe";
import type {
  ImageCheck,
  ImageConfig,
  ParsedRecipe,
  RecipeInstruction,
  RecipePlan,
  RecipeStep,
} from "@wrenn/recipe";

export type BuildPhase = "pre-build" | "recipe" | "post-build";

/** One step of a build. */
export interface PlannedStep extends Pick<RecipeStep, "action" | "state"> {
  /** From 1, across all phases. */
  readonly step: number;
  readonly phase: BuildPhase;
  /** An instruction with its arguments, as people wrote it. */
  readonly cmd: string;
}

/** What a build performs: instructions of the API's language with steps around them, or the text of a recipe. */
export type BuildRecipe =
  | {
      readonly form: "lines";
      readonly lines: readonly string[];
      /** Leaves out what is done before and after the recipe. */
      readonly skipPrePost: boolean;
    }
  | {
      readonly form: "text";
      readonly text: string;
      /** Its name in messages. */
      readonly file: string;
      /** Values for ARG. */
      readonly args: Readonly<Record<string, string>>;
    };

export interface BuildPlan {
  /** What FROM names; undefined without FROM. */
  readonly base: string | undefined;
  readonly steps: readonly PlannedStep[];
  /** What holds for capsules of the template. */
  readonly config: ImageConfig;
  /** The instructions as people wrote them. */
  readonly written: readonly string[];
}

/** What is known of the environment of a base before a capsule of it runs. */
export const GUEST_ENVIRONMENT: Readonly<Record<string, string>> = {
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
};

const before: readonly string[] = ["RUN apt update", "USER wrenn-user", "WORKDIR /home/wrenn-user"];
const after: readonly string[] = [
  "RUN apt clean",
  "RUN apt autoremove -y",
  "RUN rm -rf /var/lib/apt/lists/*",
  "RUN rm -rf /tmp/build-files /tmp/build-files.*",
];

/**
 * The steps of a build (docs/reference/builds.md#recipes).
 *
 * @param base - what holds for capsules of the base, as far as it is known; `env` is what their processes have.
 * @throws WrennError `recipe_invalid` naming each place that is wrong.
 */
export function planBuild(
  recipe: BuildRecipe,
  base: Partial<ImageConfig> = { env: GUEST_ENVIRONMENT },
): BuildPlan {
  return refusing(() => (recipe.form === "text" ? planText(recipe, base) : planLines(recipe, base)));
}

/**
 * When the template of a build is ready.
 *
 * @param healthcheck - of the request; empty for what the recipe says.
 * @throws WrennError `recipe_invalid` naming the place that is wrong.
 */
export function readinessOf(
  healthcheck: string,
  config: Pick<ImageConfig, "healthcheck">,
): ImageCheck | undefined {
  if (healthcheck.trim() === "") return config.healthcheck;
  const { command, ...times } = refusing(() => parseReadinessCheck(healthcheck));
  return { ...times, argv: command.form === "exec" ? command.argv : ["/bin/sh", "-c", command.text] };
}

function planText(
  { text, file, args }: Extract<BuildRecipe, { readonly form: "text" }>,
  base: Partial<ImageConfig>,
): BuildPlan {
  const parsed = parseRecipe(text, { file });
  const plan = planRecipe(parsed, { args, base });
  const [unused] = plan.unusedArgs;
  if (unused !== undefined)
    throw new WrennError("recipe_invalid", {
      problems: `${file}: no ARG declares the argument ${unused}`,
      advice: `Write ARG ${unused} into the recipe, or leave the argument out.`,
    });
  return {
    base: plan.base,
    steps: numbered(plan.steps.map((step) => stepOf("recipe", step))),
    config: plan.config,
    written: writtenIn(parsed),
  };
}

function planLines(
  { lines, skipPrePost }: Extract<BuildRecipe, { readonly form: "lines" }>,
  base: Partial<ImageConfig>,
): BuildPlan {
  const around = (phase: BuildPhase, instructions: readonly string[]): Around => {
    if (skipPrePost) return { steps: [], config: base };
    const { steps, config } = planRecipe(parseRecipeLines(instructions), { base });
    return { steps: steps.map((step) => stepOf(phase, step)), config };
  };
  const first = around("pre-build", before);
  const parsed = parseRecipeLines(lines);
  const plan: RecipePlan = planRecipe(parsed, { base: first.config });
  const own = plan.steps.map((step) => stepOf("recipe", step));
  return {
    base: undefined,
    steps: numbered([...first.steps, ...own, ...around("post-build", after).steps]),
    config: plan.config,
    written: writtenIn(parsed),
  };
}

interface Around {
  readonly steps: readonly Omit<PlannedStep, "step">[];
  readonly config: Partial<ImageConfig>;
}

function stepOf(phase: BuildPhase, { instruction, action, state }: RecipeStep): Omit<PlannedStep, "step"> {
  return { phase, cmd: commandOf(instruction), action, state };
}

function numbered(steps: readonly Omit<PlannedStep, "step">[]): readonly PlannedStep[] {
  return steps.map((one, at) => ({ step: at + 1, ...one }));
}

function writtenIn({ instructions }: ParsedRecipe): readonly string[] {
  return instructions.map(({ written }) => written.trim());
}

/** The keyword in capitals, one blank, and the arguments as they are. */
function commandOf({ kind, written }: RecipeInstruction): string {
  return `${kind} ${written.trim().slice(kind.length).trim()}`;
}

function refusing<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error;
    const [first] = error.problems;
    throw new WrennError("recipe_invalid", {
      problems: error.problems.map(formatProblem).join("; "),
      advice: first?.remedy ?? "",
    });
  }
}
