import { createReadStream } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import { formatProblem, parseRecipe, RecipeError } from "@wrenn/recipe";
import type { ParsedRecipe, RecipePosition, RecipeProblem } from "@wrenn/recipe";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { escapeText } from "../output/escape-text.ts";
import type { Output } from "../output/output.ts";

/** Recipes of a directory, the first that is there. */
const NAMES = ["Wrennfile", "Dockerfile"];
/** Bytes that are read: a recipe that is longer is refused by its parser. */
const MAX_BYTES = 8 * 1024 * 1024;

/** A recipe that was read without problems. */
export interface LocalRecipe {
  readonly text: string;
  /** Its name in messages. */
  readonly file: string;
  /** Undefined where it is from standard input. */
  readonly path: string | undefined;
  /** Where each step is written, by its number from 1. */
  readonly steps: readonly RecipePosition[];
  readonly hasFrom: boolean;
  /** Names that ARG declares. */
  readonly declared: ReadonlySet<string>;
}

export interface RecipeLocation {
  /** Path of the recipe; `-` is standard input. */
  readonly file: string | undefined;
  /** Files for COPY. */
  readonly directory: string | undefined;
}

/**
 * Reads the recipe of a build: a named file, else that of the directory, else standard input.
 *
 * @throws ClientError `file_unreadable`, `recipe_missing`, `recipe_invalid` with the position of each problem, `directory_missing` for a
 * recipe that copies files without a directory.
 */
export async function readRecipe(
  { terminal, output, signal }: Context,
  { file, directory }: RecipeLocation,
): Promise<LocalRecipe> {
  const path =
    file === "-" ? undefined : (file ?? (directory === undefined ? undefined : await findRecipe(directory)));
  if (path === undefined && terminal.stdin.isTTY) throw noRecipe();
  const stream = path === undefined ? terminal.stdin : createReadStream(path);
  const text = await textOf(stream, path ?? "standard input", signal);
  const name = path ?? "recipe";
  const parsed = parse(text, name, output);
  requireDirectory(parsed, directory);
  return localRecipe(text, path, parsed);
}

/** The recipe of one line that starts from an image. @throws ClientError `recipe_invalid` for what FROM cannot name. */
export function recipeOfImage(reference: string, output: Output): LocalRecipe {
  const text = `FROM ${reference}\n`;
  return localRecipe(text, undefined, parse(text, "recipe", output));
}

function localRecipe(text: string, path: string | undefined, parsed: ParsedRecipe): LocalRecipe {
  const instructions = parsed.instructions.filter(({ kind }) => kind !== "FROM" && kind !== "ARG");
  return {
    text,
    file: path ?? "recipe",
    path,
    steps: instructions.map(({ range }) => range.start),
    hasFrom: parsed.instructions.some(({ kind }) => kind === "FROM"),
    declared: new Set(
      parsed.instructions.flatMap((one) =>
        one.kind === "ARG" ? one.pairs.map((pair) => pair.name.text) : [],
      ),
    ),
  };
}

/** The refusal of a recipe. What is said of several problems is shown line by line first. */
export function recipeInvalid(problems: readonly RecipeProblem[], file: string, output: Output): ClientError {
  const [first] = problems;
  if (first === undefined || output.isJson || problems.length === 1)
    return new ClientError(
      "usage",
      "recipe_invalid",
      problems.map(formatProblem).join("; "),
      first?.remedy ?? "Correct the recipe.",
    );
  for (const problem of problems) {
    output.note(escapeText(formatProblem(problem)));
    output.note(`       ${escapeText(problem.remedy)}`);
  }
  return new ClientError(
    "usage",
    "recipe_invalid",
    `${file} has ${problems.length} problems`,
    "Correct them, and build again.",
  );
}

function parse(text: string, file: string, output: Output): ParsedRecipe {
  try {
    return parseRecipe(text, { file });
  } catch (error) {
    throw error instanceof RecipeError ? recipeInvalid(error.problems, file, output) : error;
  }
}

function requireDirectory({ file, instructions }: ParsedRecipe, directory: string | undefined): void {
  if (directory !== undefined) return;
  for (const one of instructions) {
    if ((one.kind !== "COPY" && one.kind !== "ADD") || one.sources.length === 0) continue;
    const { line, column } = one.range.start;
    throw new ClientError(
      "usage",
      "directory_missing",
      `${file}:${line}:${column}: ${one.kind} needs a directory to copy from, and the build has none`,
      "Name the directory behind the options: wrenn build -t NAME DIRECTORY.",
    );
  }
}

/** A recipe that is a link may lead to another place of the directory, and nowhere else: its text would be shown and sent. */
async function findRecipe(directory: string): Promise<string> {
  for (const name of NAMES) {
    const path = join(directory, name);
    try {
      const [root, real] = await Promise.all([realpath(directory), realpath(path)]);
      const way = relative(root, real);
      if (way === ".." || way.startsWith("../"))
        throw new ClientError(
          "usage",
          "file_unreadable",
          `${path} is a link to a place outside of the directory`,
          "Name the recipe that is meant with --file.",
        );
      return path;
    } catch (error) {
      if (error instanceof ClientError || !isMissing(error)) throw unreadable(error);
    }
  }
  await access(directory).catch((error: unknown) => {
    throw unreadable(error);
  });
  throw new ClientError(
    "usage",
    "recipe_missing",
    `${directory} has neither a ${NAMES.join(" nor a ")}`,
    "Write one, or name the recipe with --file.",
  );
}

async function textOf(stream: AsyncIterable<unknown>, name: string, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of stream) {
      signal.throwIfAborted();
      const bytes = typeof piece === "string" ? Buffer.from(piece) : (piece as Buffer);
      pieces.push(bytes);
      length += bytes.length;
      // Standard input may have no end.
      if (length > MAX_BYTES) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw unreadable(error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces));
  } catch {
    throw new ClientError(
      "usage",
      "file_unreadable",
      `${name} is not a text in UTF-8`,
      "Name a recipe: a text file with instructions.",
    );
  }
}

function noRecipe(): ClientError {
  return new ClientError(
    "usage",
    "recipe_missing",
    "there is no recipe",
    "Name a directory that has a Wrennfile or a Dockerfile, name the recipe with --file, or pipe it in.",
  );
}

function unreadable(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  return new ClientError(
    "usage",
    "file_unreadable",
    error instanceof Error ? error.message : String(error),
    "Name a file or directory that this user may read.",
    { cause: error },
  );
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
