import type { RecipeInstruction } from "./instructions/instruction.ts";

/** A recipe that was read without problems. */
export interface ParsedRecipe {
  /** Its name in messages. */
  readonly file: string;
  /**
   * `file`: a text, with everything that recipes have.
   * `lines`: an array of lines as in the requests of the API, without comments, continuations, heredocs and JSON forms.
   */
  readonly dialect: "file" | "lines";
  /** `\`, or what the directive `escape` says. */
  readonly escape: string;
  readonly instructions: readonly RecipeInstruction[];
}

export interface ParseOptions {
  /** The recipe's name in messages. Default: `recipe`. */
  readonly file?: string;
}
