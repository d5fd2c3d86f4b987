import { recipeOfImage } from "../builds/read-recipe.ts";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { buildRecipe } from "./build.ts";
import { findArchive, importArchive } from "./import-archive.ts";
import type { ImportVerbOptions } from "./import-archive.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/;
/** What names of archives end with. */
const ENDING = /(?:\.oci)?\.(?:tar|tgz|tzst|tar\.(?:gz|zst|zstd))$/i;

/** Makes a template of the image of a registry, or of an archive on this machine. Shows and prints the same as `build`. */
export async function importImage(
  context: Context,
  source: string,
  options: ImportVerbOptions,
): Promise<void> {
  const archive = await findArchive(source);
  if (archive !== undefined) {
    if (options.registryUser !== undefined)
      throw usage("--registry-user does not go with an archive", "Leave it out.");
    const name = options.tag ?? nameOf(archive.name.replace(ENDING, ""), archive.name);
    await importArchive(context, { ...archive, template: name }, options);
    return;
  }
  if (options.image !== undefined)
    throw usage(
      `--image goes with an archive, and there is no file ${source}`,
      "Name an archive of docker save or an OCI layout.",
    );
  if (/\s/.test(source) || source === "")
    throw usage(
      "the image has a name without blanks",
      "Write wrenn template import REGISTRY/REPOSITORY:TAG, or name an archive.",
    );
  const [tagged = ""] = (source.split("/").at(-1) ?? "").split("@");
  const name = options.tag ?? nameOf(tagged, source);
  const recipe = recipeOfImage(source, context.output);
  await buildRecipe(context, { name, recipe }, { ...options, cache: true });
}

/** The name as it is, where a template can be called so. */
function nameOf(tagged: string, source: string): string {
  const [name = "", tag] = tagged.split(":");
  if (!NAME.test(name) || (tag !== undefined && !NAME.test(tag)))
    throw new ClientError(
      "usage",
      "option_missing",
      `the template cannot be called as ${source} is`,
      "Name it with --tag.",
    );
  return tagged;
}

function usage(message: string, remedy: string): ClientError {
  return new ClientError("usage", "usage", message, remedy);
}
