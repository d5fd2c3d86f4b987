import { formatProblem, parseRecipe, RecipeError } from "@wrenn/recipe";
import type { ParseOptions } from "@wrenn/recipe";

/** What is wrong with a recipe, in the form of compilers. */
export function problemsOf(text: string, options?: ParseOptions): readonly string[] {
  return problemsIn(() => parseRecipe(text, options));
}

/** What a piece of work refuses. */
export function problemsIn(work: () => unknown): readonly string[] {
  try {
    work();
    return [];
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error;
    return error.problems.map(formatProblem);
  }
}
