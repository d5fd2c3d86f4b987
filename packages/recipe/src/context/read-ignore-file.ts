import { readFile } from "node:fs/promises";
import { IgnorePatternError } from "../ignore/ignore-pattern.ts";
import { IgnoreRules } from "../ignore/ignore-rules.ts";
import { codeOf, ContextError } from "./context-error.ts";
import { OpenDirectory } from "./open-directory.ts";

const NAME = ".dockerignore";
const MAX_BYTES = 1024 * 1024;

/** The ignore file of a build. */
export interface IgnoreFile {
  readonly rules: IgnoreRules;
  /** Its name in messages; undefined where there is none. */
  readonly file: string | undefined;
}

/**
 * Reads the rules for a context: `RECIPE.dockerignore` beside the recipe, or else `.dockerignore` in the context.
 *
 * @param recipe - path of the recipe's file.
 * @throws ContextError naming the file, and the line of a pattern that cannot be understood.
 */
export async function readIgnoreFile(
  root: string,
  recipe: string | undefined,
  signal?: AbortSignal,
): Promise<IgnoreFile> {
  if (recipe !== undefined) {
    const beside = `${recipe}${NAME}`;
    try {
      return parse(await readFile(beside, { signal }), beside);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }
  await using directory = await OpenDirectory.open(root);
  let bytes: Buffer;
  try {
    await using handle = await directory.openFile(NAME);
    const isFile = (await handle.stat()).isFile();
    bytes = isFile ? await handle.readFile({ signal }) : Buffer.alloc(0);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT") return { rules: IgnoreRules.none, file: undefined };
    const problem =
      code === "ELOOP" ? "is a link, and links of the context are not followed" : "cannot be read";
    throw new ContextError(NAME, problem, "Make it a file of the context.", { cause: error });
  }
  return parse(bytes, NAME);
}

function parse(bytes: Buffer, file: string): IgnoreFile {
  if (bytes.length > MAX_BYTES)
    throw new ContextError(
      file,
      `is longer than ${MAX_BYTES} bytes`,
      "Write patterns instead of single names.",
    );
  try {
    return { rules: IgnoreRules.parse(bytes.toString("utf8")), file };
  } catch (error) {
    if (!(error instanceof IgnorePatternError)) throw error;
    throw new ContextError(`${file}:${error.line}`, error.message, "Correct the pattern.", { cause: error });
  }
}
