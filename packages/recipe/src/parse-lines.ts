import type {
  InstructionBody,
  RawInstruction,
  RecipeCommand,
  RecipeInstruction,
} from "./instructions/instruction.ts";
import { requirePositive } from "./instructions/run.ts";
import type { ParseOptions, ParsedRecipe } from "./recipe.ts";
import { MAX_INSTRUCTIONS } from "./syntax/limits.ts";
import { ProblemList, quote, refuse } from "./syntax/refusal.ts";
import { suggest } from "./syntax/suggest.ts";
import { allWords, splitBlanks } from "./syntax/words.ts";
import { JoinedText } from "./syntax/written.ts";
import type { Written } from "./syntax/written.ts";

const USER_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,31}$/;
const ENV_PAIR = /^([A-Za-z_][A-Za-z0-9_]*)=/;
const TIMEOUT = /^--timeout(?:=(\S*))?(?=\s|$)/;

const parsers: ReadonlyMap<string, (args: Written) => InstructionBody> = new Map([
  ["RUN", parseRun],
  ["START", (args) => ({ kind: "START", command: shell(args) }) satisfies InstructionBody],
  ["ENV", parseEnv],
  ["WORKDIR", (args) => ({ kind: "WORKDIR", path: args }) satisfies InstructionBody],
  ["USER", parseUser],
  ["COPY", parseCopy],
]);

/**
 * Reads a recipe as requests of the API have it: each line is one instruction of the API's language, whatever else it looks like.
 *
 * @throws RecipeError with every problem that was found, at most 20. The line of a problem is the number of the element, from 1.
 */
export function parseRecipeLines(
  lines: readonly string[],
  { file = "recipe" }: ParseOptions = {},
): ParsedRecipe {
  const problems = new ProblemList(file);
  if (lines.length > MAX_INSTRUCTIONS)
    problems.add(
      { line: MAX_INSTRUCTIONS + 1, column: 1 },
      `the recipe has more than ${MAX_INSTRUCTIONS} instructions`,
      "Make a template of the first part, and build on it.",
    );
  const instructions: RecipeInstruction[] = [];
  for (const [at, text] of lines.slice(0, MAX_INSTRUCTIONS).entries()) {
    if (problems.isFull) break;
    const line = at + 1;
    const whole = new JoinedText(text, [{ at: 0, position: { line, column: 1 } }]).whole();
    const parsed = problems.attempt(() => parseLine(whole.trim()));
    if (parsed === undefined) continue;
    const range = { start: whole.trim().positionAt(0), end: whole.positionAt(text.trimEnd().length) };
    instructions.push({ ...parsed, range, written: text });
  }
  problems.raise();
  return { file, dialect: "lines", escape: "\\", instructions };
}

function parseLine(line: Written): InstructionBody {
  const [word = ""] = /^\S*/.exec(line.text) ?? [];
  const keyword: RawInstruction["keyword"] = line.slice(0, word.length);
  const args = line.slice(word.length).trim();
  if (word === "") refuse(line, "empty instruction", "Remove the line.");
  if (word.startsWith("#"))
    refuse(line, "comments are not supported in a recipe of lines", "Remove the line.");
  const parse = parsers.get(word.toUpperCase());
  if (parse === undefined)
    refuse(keyword, `unknown instruction ${quote(word)}`, suggest(word.toUpperCase(), [...parsers.keys()]));
  if (args.text === "")
    refuse(args, `${word.toUpperCase()} requires arguments`, "Write its arguments, or remove the line.");
  return parse(args);
}

function shell({ text }: Written): RecipeCommand {
  return { form: "shell", text };
}

function parseRun(args: Written): InstructionBody {
  const match = TIMEOUT.exec(args.text);
  if (match === null) return { kind: "RUN", command: shell(args), timeoutMs: undefined, mounts: [] };
  const flag = match[0];
  const value = args.slice(flag.length - (match[1] ?? "").length, flag.length);
  if (value.text === "") refuse(args, "--timeout has no value", "Write RUN --timeout=90s COMMAND.");
  const timeoutMs = requirePositive(value);
  const command = args.slice(flag.length).trim();
  if (command.text === "") refuse(command, "RUN has no command", "Write a command after the timeout.");
  return { kind: "RUN", command: shell(command), timeoutMs, mounts: [] };
}

/** One variable: its value is the rest of the line. */
function parseEnv(args: Written): InstructionBody {
  const [found, name] = ENV_PAIR.exec(args.text) ?? [];
  if (found === undefined || name === undefined)
    return refuse(
      args,
      "expected ENV NAME=value",
      "Write ENV NAME=value, with letters, digits and underscores in the name.",
    );
  return {
    kind: "ENV",
    pairs: [{ name: args.slice(0, name.length), value: args.slice(found.length) }],
  };
}

function parseUser(args: Written): InstructionBody {
  if (!USER_NAME.test(args.text))
    refuse(
      args,
      `${quote(args.text)} is not the name of a user`,
      "Names have at most 32 letters, digits, underscores and dashes, and begin with a letter or an underscore.",
    );
  return { kind: "USER", user: args };
}

function parseCopy(args: Written): InstructionBody {
  const words = allWords(splitBlanks(args));
  const target = words.at(-1);
  if (target === undefined || words.length < 2)
    return refuse(args, "expected COPY SOURCE… DESTINATION", "Write COPY SOURCE… DESTINATION.");
  const sources = words.slice(0, -1);
  for (const source of sources)
    if (source.text.startsWith("/") || source.text.split("/").includes(".."))
      refuse(
        source,
        `${quote(source.text)} is outside the archive`,
        "Sources are relative to the archive, and stay inside of it.",
      );
  return { kind: "COPY", sources, files: [], target, chown: undefined, chmod: undefined };
}
