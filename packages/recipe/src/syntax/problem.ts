/** A place in a recipe: line and column from 1, in characters. */
export interface RecipePosition {
  readonly line: number;
  readonly column: number;
}

/** A piece of a recipe. `end` is the place behind its last character. */
export interface RecipeRange {
  readonly start: RecipePosition;
  readonly end: RecipePosition;
}

/** One thing that is wrong with a recipe. */
export interface RecipeProblem extends RecipePosition {
  /** Name of the recipe as the user knows it. */
  readonly file: string;
  readonly message: string;
  /** What the reader can do about it. */
  readonly remedy: string;
}

/** A recipe has problems. All that were found are in `problems`, in the order of their places. */
export class RecipeError extends Error {
  override readonly name = "RecipeError";
  readonly problems: readonly RecipeProblem[];

  constructor(problems: readonly RecipeProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** A problem in the form of compilers: `recipe:7:3: message`. */
export function formatProblem({ file, line, column, message }: RecipeProblem): string {
  return `${file}:${line}:${column}: ${message}`;
}
