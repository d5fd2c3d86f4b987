import { isWrennError, Wrenn } from "@wrenn/sdk";
import type { Build } from "@wrenn/sdk";
import { readRecipe } from "../builds/read-recipe.ts";
import type { LocalServer } from "../connection/find-connection.ts";
import type { Context } from "../context.ts";
import { explain, follow } from "./build.ts";
import type { BuildVerbOptions, Followed } from "./build.ts";

export interface BuildDirectoryOptions {
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  /** Has the recipe, and the files that it needs. */
  readonly directory: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly progress: BuildVerbOptions["progress"];
}

/** A built template, with the number of its version. */
export interface BuiltDirectory {
  readonly build: Build;
  readonly version: number | undefined;
}

/** The version that a template has under its default tag; undefined where there is none. */
export async function currentVersion(
  { signal }: Pick<Context, "signal">,
  server: LocalServer,
  name: string,
): Promise<number | undefined> {
  try {
    const { tags } = await clientOf(server).templates.get(name, { signal });
    return tags.find(({ tag }) => tag === "default")?.version;
  } catch (error) {
    signal.throwIfAborted();
    if (isWrennError(error, "not_found")) return undefined;
    throw error;
  }
}

/**
 * Builds a template of the recipe of a directory on a server that the program itself has found, and shows its progress as `wrenn build`
 * does. An interrupt cancels the build.
 *
 * @throws ClientError with the position of the instruction that failed; WrennError of the server.
 */
export async function buildDirectory(
  context: Context,
  server: LocalServer,
  { name, directory, vcpus, memoryMib, progress }: BuildDirectoryOptions,
): Promise<BuiltDirectory> {
  const { signal } = context;
  const recipe = await readRecipe(context, { file: undefined, directory });
  const what = {
    name,
    recipe: recipe.text,
    recipeFile: recipe.file,
    recipePath: recipe.path,
    context: directory,
    vcpus,
    memoryMib,
    signal,
  };
  try {
    const wrenn = clientOf(server);
    const run = async (followed: Followed): Promise<Build> =>
      await wrenn.templates.build({ ...what, ...followed });
    const build = await follow(context, wrenn, run, { progress });
    return { build, version: await currentVersion(context, server, name) };
  } catch (error) {
    throw explain(error, recipe, context);
  }
}

function clientOf({ url, apiKey }: LocalServer): Wrenn {
  return new Wrenn({ url, apiKey });
}
