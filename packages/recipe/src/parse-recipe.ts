import { parseInstruction, takesHeredocs } from "./instructions/parse-instruction.ts";
import type { RawInstruction, RecipeInstruction } from "./instructions/instruction.ts";
import type { ParseOptions, ParsedRecipe } from "./recipe.ts";
import { readHeredocs } from "./syntax/heredocs.ts";
import { MAX_INSTRUCTIONS, MAX_RECIPE_LENGTH } from "./syntax/limits.ts";
import type { RecipePosition } from "./syntax/problem.ts";
import { RecipeLines } from "./syntax/recipe-lines.ts";
import type { RecipeDirective } from "./syntax/recipe-lines.ts";
import { ProblemList, quote } from "./syntax/refusal.ts";
import type { JoinedText, Written } from "./syntax/written.ts";

/** The frontends of Docker whose language this is. */
const SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?$/;

/**
 * Reads the text of a recipe, or a Dockerfile of one stage.
 *
 * @throws RecipeError with every problem that was found, at most 20.
 */
export function parseRecipe(text: string, { file = "recipe" }: ParseOptions = {}): ParsedRecipe {
  const problems = new ProblemList(file);
  if (text.length > MAX_RECIPE_LENGTH) {
    problems.add(
      { line: 1, column: 1 },
      `the recipe is longer than ${MAX_RECIPE_LENGTH} characters`,
      "Put scripts and data into files of the context, and COPY them.",
    );
    problems.raise();
  }
  const lines = new RecipeLines(text);
  for (const directive of lines.readDirectives()) obey(directive, lines, problems);
  const instructions: RecipeInstruction[] = [];
  let count = 0;
  while (!problems.isFull) {
    const joined = lines.readInstruction();
    if (joined === undefined) break;
    const start = joined.positionAt(0);
    count += 1;
    if (count > MAX_INSTRUCTIONS) {
      problems.add(
        start,
        `the recipe has more than ${MAX_INSTRUCTIONS} instructions`,
        "Make a template of the first part, and start FROM it.",
      );
      break;
    }
    const parsed = problems.attempt(() => {
      const raw = split(joined, lines);
      return parseInstruction(raw);
    });
    const written = lines.written(start.line, lines.line);
    if (parsed !== undefined)
      instructions.push({
        ...parsed,
        range: { start, end: endOf(joined, written, start, lines.line) },
        written,
      });
  }
  checkFrom(instructions, problems);
  problems.raise();
  if (instructions.length === 0) {
    problems.add({ line: 1, column: 1 }, "the recipe has no instructions", "Write one instruction at least.");
    problems.raise();
  }
  return { file, dialect: "file", escape: lines.escape, instructions };
}

function obey({ name, value, position }: RecipeDirective, lines: RecipeLines, problems: ProblemList): void {
  if (name === "escape") {
    if (value === "\\" || value === "`") lines.escape = value;
    else
      problems.add(
        position,
        `${quote(value)} is not an escape character`,
        "Write # escape=\\ or # escape=`.",
      );
  } else if (name === "syntax" && !SYNTAX.test(value))
    problems.add(
      position,
      `the syntax ${quote(value)} is not supported in recipes`,
      "Remove the line, and write the recipe in the language of docker/dockerfile.",
    );
}

function split(joined: JoinedText, lines: RecipeLines): RawInstruction {
  const whole = joined.whole();
  const [word = ""] = /^\S*/.exec(whole.text) ?? [];
  const keyword = whole.slice(0, word.length);
  const args = whole.slice(word.length).trim();
  const heredocs = takesHeredocs(word) ? readHeredocs(args, lines) : [];
  return { keyword, args, heredocs, escape: lines.escape };
}

/** Where an instruction ends: behind its last character, or that of its last heredoc. */
function endOf(joined: JoinedText, written: string, start: RecipePosition, line: number): RecipePosition {
  const end = joined.positionAt(joined.text.trimEnd().length);
  if (end.line === line || line === start.line) return end;
  return { line, column: Array.from(written.slice(written.lastIndexOf("\n") + 1)).length + 1 };
}

/** FROM is the first instruction but ARG, and the only one of its kind. */
function checkFrom(instructions: readonly RecipeInstruction[], problems: ProblemList): void {
  let first: Written | undefined;
  let begun = false;
  for (const instruction of instructions) {
    if (instruction.kind !== "FROM") {
      begun ||= instruction.kind !== "ARG";
      continue;
    }
    const { start } = instruction.range;
    if (first !== undefined)
      problems.add(
        start,
        "multi-stage recipes are not supported: this is the second FROM",
        "Make a template of the first stage with a recipe of its own, and start FROM it.",
      );
    else if (begun)
      problems.add(
        start,
        "FROM is not the first instruction",
        "Move it to the top; only ARG may stand before it.",
      );
    first ??= instruction.base;
  }
}
