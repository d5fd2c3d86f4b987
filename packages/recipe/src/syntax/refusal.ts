import type { Written } from "./written.ts";
import { MAX_PROBLEMS } from "./limits.ts";
import { RecipeError } from "./problem.ts";
import type { RecipePosition, RecipeProblem } from "./problem.ts";

/** Ends the reading of one instruction; `ProblemList` makes a problem of it. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly position: RecipePosition;
  readonly remedy: string;

  constructor(position: RecipePosition, message: string, remedy: string) {
    super(message);
    this.position = position;
    this.remedy = remedy;
  }
}

/** Refuses a piece of a recipe, at its begin or at one of its characters. */
export function refuse(piece: Written, message: string, remedy: string, offset = 0): never {
  throw new Refusal(piece.positionAt(offset), message, remedy);
}

/** Longest quotation of the recipe in a message. */
const QUOTED = 60;

/** A piece of the recipe in a message: short, in one line, without control characters. */
export function quote(text: string): string {
  const start = Array.from(text.slice(0, 2 * QUOTED));
  const cut = start.length > QUOTED || text.length > 2 * QUOTED;
  const shown = JSON.stringify(start.slice(0, QUOTED).join("")).slice(1, -1).replaceAll('\\"', '"');
  return `"${shown}${cut ? "…" : ""}"`;
}

/** Collects what is refused, as long as more of it helps the reader. */
export class ProblemList {
  readonly #file: string;
  readonly #problems: RecipeProblem[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  get isFull(): boolean {
    return this.#problems.length >= MAX_PROBLEMS;
  }

  add(position: RecipePosition, message: string, remedy: string): void {
    if (!this.isFull) this.#problems.push({ file: this.#file, ...position, message, remedy });
  }

  /** Runs one piece of work. @returns undefined when it refused the recipe. */
  attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.add(error.position, error.message, error.remedy);
      return undefined;
    }
  }

  /** @throws RecipeError when there are problems. */
  raise(): void {
    if (this.#problems.length === 0) return;
    throw new RecipeError(
      this.#problems.toSorted((one, other) => one.line - other.line || one.column - other.column),
    );
  }
}
