import { parseRecipe, planRecipe, RecipeError, sourcesOf } from "@wrenn/recipe";
import type { RecipePlan, StepSources } from "@wrenn/recipe";
import {
  ContextError,
  digestSources,
  findArchives,
  packedSize,
  packSources,
  readContext,
  readIgnoreFile,
  resolveSources,
} from "@wrenn/recipe/context";
import type { BuildContext, PackedCopy } from "@wrenn/recipe/context";
import { WrennError } from "../errors/wrenn-error.ts";
import type { BuildContextRequest, PackedBuildContext } from "../transport/platform.ts";

/** Bytes that are sent at a time: headers and small files are not packets of their own. */
const PIECE = 64 * 1024;

/**
 * Reads the files that the steps of a recipe copy or mount. A directory that no step needs is not read.
 *
 * @throws WrennError `recipe_invalid` with `details.problems`, each with its position; `context_invalid` with the path that is the
 * reason; the signal's reason.
 */
export async function packContext(request: BuildContextRequest): Promise<PackedBuildContext> {
  try {
    return await pack(request);
  } catch (error) {
    throw asWrennError(error, request);
  }
}

async function pack(request: BuildContextRequest): Promise<PackedBuildContext> {
  const { directory, recipeFile: file, recipePath, signal } = request;
  const copies = copiesOf(planRecipe(parseRecipe(request.recipe, { file }), { args: request.args }));
  if (copies.length === 0) return { sources: {}, problems: [], entries: 0, size: 0, archive: undefined };
  const ignore = await readIgnoreFile(directory, recipePath, signal);
  const context = await readContext(directory, { ignore: ignore.rules, ...(signal && { signal }) });
  const packed: PackedCopy[] = [];
  const sources: Record<string, PackedBuildContext["sources"][string]> = {};
  for (const { number, needed } of copies) {
    const copy = resolveSources(context, needed, { file, ignore });
    packed.push({ directory: String(number), copy });
    sources[number] = {
      digest: await digestSources(context, copy, signal),
      isSingle: copy.isTarget,
      archives: needed.unpack ? [...(await findArchives(context, copy, signal)).keys()] : [],
    };
  }
  return {
    sources,
    problems: context.problems,
    entries: packed.reduce((sum, { copy }) => sum + copy.members.length, 0),
    size: packedSize(packed),
    archive: () => archiveOf(context, packed, request),
  };
}

function copiesOf(plan: RecipePlan): readonly { readonly number: number; readonly needed: StepSources }[] {
  return plan.steps.flatMap(({ number, action }) => {
    const needed = sourcesOf(action);
    return needed === undefined ? [] : [{ number, needed }];
  });
}

async function* archiveOf(
  context: BuildContext,
  copies: readonly PackedCopy[],
  request: BuildContextRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of packSources(context, copies, request.signal)) {
      waiting.push(piece);
      length += piece.length;
      if (length < PIECE) continue;
      yield Buffer.concat(waiting);
      [waiting, length] = [[], 0];
    }
    if (length > 0) yield Buffer.concat(waiting);
  } catch (error) {
    throw asWrennError(error, request);
  }
}

function asWrennError(error: unknown, { directory, signal }: BuildContextRequest): unknown {
  signal?.throwIfAborted();
  if (error instanceof RecipeError)
    return new WrennError(
      {
        code: "recipe_invalid",
        message: error.message.replaceAll("\n", "; "),
        remedy: error.problems[0]?.remedy,
        details: { problems: error.problems },
      },
      { cause: error },
    );
  if (error instanceof ContextError)
    return new WrennError(
      {
        code: "context_invalid",
        message: `the context ${directory}: ${error.message}`,
        remedy: error.remedy,
        details: { path: error.path },
      },
      { cause: error },
    );
  // Of the file system, such as an ignore file that this user may not read.
  if (error instanceof Error && "syscall" in error)
    return new WrennError(
      {
        code: "context_invalid",
        message: `the context ${directory}: ${error.message}`,
        remedy: "Check the path, and that this user may read it.",
      },
      { cause: error },
    );
  return error;
}
