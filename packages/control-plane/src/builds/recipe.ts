import { defined, WrennError } from "@wrenn/core";
import { formatProblem, parseReadinessCheck, parseRecipeLines, RecipeError } from "@wrenn/recipe";
import type { ReadinessCheck, RecipeInstruction } from "@wrenn/recipe";

export type BuildPhase = "pre-build" | "recipe" | "post-build";

/** One step of a build. */
export interface PlannedStep {
  /** From 1, across all phases. */
  readonly step: number;
  readonly phase: BuildPhase;
  /** An instruction with its arguments. */
  readonly cmd: string;
  /** Of RUN, where it names a limit: milliseconds. */
  readonly timeoutMs?: number;
}

type Instruction = Pick<PlannedStep, "cmd" | "timeoutMs">;

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
 * @param skipPrePost - leaves out what is done before and after the recipe.
 * @throws WrennError `recipe_invalid` naming each place that is wrong.
 */
export function planSteps(
  recipe: readonly string[],
  { skipPrePost, hasArchive }: { readonly skipPrePost: boolean; readonly hasArchive: boolean },
): readonly PlannedStep[] {
  const { instructions } = refusing(() => parseRecipeLines(recipe));
  const copy = hasArchive ? undefined : instructions.find(({ kind }) => kind === "COPY");
  if (copy !== undefined)
    throw new WrennError("recipe_invalid", {
      problems: `recipe:${copy.range.start.line}:${copy.range.start.column}: COPY from an archive, and the build has no archive`,
      advice: "Send the files as the field archive of a form.",
    });
  const around = (lines: readonly string[]): readonly Instruction[] =>
    skipPrePost ? [] : lines.map((cmd) => ({ cmd }));
  const phases: readonly (readonly [BuildPhase, readonly Instruction[]])[] = [
    ["pre-build", around(before)],
    ["recipe", instructions.map(instructionOf)],
    ["post-build", around(after)],
  ];
  return phases
    .flatMap(([phase, all]) => all.map((one) => ({ phase, ...one })))
    .map((one, at) => ({ step: at + 1, ...one }));
}

/**
 * The health check of a build: when its template is ready.
 *
 * @param healthcheck - empty for none.
 * @throws WrennError `recipe_invalid` naming the place that is wrong.
 */
export function readHealthcheck(healthcheck: string): ReadinessCheck | undefined {
  return healthcheck.trim() === "" ? undefined : refusing(() => parseReadinessCheck(healthcheck));
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

/** The keyword in capitals, one blank, and the arguments as they are. */
function instructionOf(one: RecipeInstruction): Instruction {
  const { kind, written } = one;
  const cmd = `${kind} ${written.trim().slice(kind.length).trim()}`;
  return { cmd, ...defined({ timeoutMs: one.kind === "RUN" ? one.timeoutMs : undefined }) };
}
