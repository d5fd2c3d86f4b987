import { recipeOfImage } from "../builds/read-recipe.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { buildRecipe } from "./build.ts";
import type { BuildVerbOptions } from "./build.ts";

export type ImportVerbOptions = Pick<
  BuildVerbOptions,
  "tag" | "registryUser" | "vcpus" | "memory" | "progress" | "detach"
>;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;

/** Makes a template of the image of a registry. Shows and prints the same as `build`. */
export async function importImage(
  context: Context,
  reference: string,
  options: ImportVerbOptions,
): Promise<void> {
  if (/\s/.test(reference) || reference === "")
    throw new ClientError(
      "usage",
      "usage",
      "the image has a name without blanks",
      "Write wrenn template import REGISTRY/REPOSITORY:TAG.",
    );
  const name = options.tag ?? nameOf(reference);
  const recipe = recipeOfImage(reference, context.output);
  await buildRecipe(context, { name, recipe }, { ...options, cache: true });
}

/** The last part of a repository, and the tag as it is. */
function nameOf(reference: string): string {
  const [tagged = ""] = (reference.split("/").at(-1) ?? "").split("@");
  const [name = "", tag] = tagged.split(":");
  if (!NAME.test(name) || (tag !== undefined && !NAME.test(tag)))
    throw new ClientError(
      "usage",
      "option_missing",
      `the template cannot be called as ${reference} is`,
      "Name it with --tag.",
    );
  return tagged;
}
