import { parseRecipe, planRecipe } from "@wrenn/recipe";

/** What a step of a recipe is of. */
export interface ClientStep {
  /** Number of the client's step, from 1; undefined for what is done before or behind its steps. */
  readonly number: number | undefined;
  /** What the step checks for: the command whose user has to be there. */
  readonly requires: { readonly command: string; readonly user: string } | undefined;
}

const STEP = /^# step (\d+)$/;
const REQUIRES = /^# requires (.+)$/;

/** Which steps of a client the steps of a recipe are of, by their numbers in the recipe. */
export function clientSteps(text: string): ReadonlyMap<number, ClientStep> {
  const lines = text.split("\n");
  const found = new Map<number, ClientStep>();
  for (const { number, instruction } of planRecipe(parseRecipe(text, { file: "template" })).steps) {
    const line = instruction.range.start.line;
    // Lines of instructions are never comments, and each instruction is one line.
    const requires = REQUIRES.exec(lines[line - 2] ?? "")?.[1];
    const of = lines.slice(0, line - 1).findLast((one) => STEP.test(one));
    found.set(number, {
      number: of === undefined ? undefined : Number(STEP.exec(of)?.[1]),
      requires:
        requires === undefined ? undefined : (JSON.parse(requires) as NonNullable<ClientStep["requires"]>),
    });
  }
  return found;
}
