import type { BuildRow, NewBuild, RecipeOptions } from "@wrenn/database";
import type { SealedJson } from "../secrets/sealed-json.ts";
import type { BuildRecipe } from "./recipe.ts";
import type { PackedSource } from "./requested-build.ts";

/** Values of a build's secrets by their ids. */
export type BuildSecrets = Readonly<Record<string, string>>;

/** What a build performs, with what it needs beside its archive. */
export interface RequestedRecipe {
  readonly recipe: BuildRecipe;
  /** What of the archive is for which step; undefined where the instructions name its files. */
  readonly sources: ReadonlyMap<number, PackedSource> | undefined;
  readonly secrets: BuildSecrets;
  /** This step and those behind it are performed, also when they have been before. */
  readonly repeatFrom: number | undefined;
}

export type StoredRecipe = Pick<NewBuild, "recipeText" | "recipeOptions" | "skipPrePost" | "secrets">;

/** As the row of a build has it. @param id - UUID of the build. */
export function storedRecipe(
  id: string,
  { recipe, sources, secrets, repeatFrom }: RequestedRecipe,
  sealed: SealedJson<BuildSecrets>,
): StoredRecipe {
  const isText = recipe.form === "text";
  const options: RecipeOptions = {
    ...(isText && { file: recipe.file, args: recipe.args, sources: Object.fromEntries(sources ?? []) }),
    ...(repeatFrom !== undefined && { repeatFrom }),
  };
  return {
    recipeText: isText ? recipe.text : undefined,
    recipeOptions: options,
    skipPrePost: isText || recipe.skipPrePost,
    secrets: Object.keys(secrets).length > 0 ? sealed.seal(id, secrets) : undefined,
  };
}

/** The same, from the row. @throws Error for secrets that cannot be opened. */
export function requestedRecipe(row: BuildRow, sealed: SealedJson<BuildSecrets>): RequestedRecipe {
  const { recipe_text: text, recipe_options: options } = row;
  const { file = "recipe", args = {}, sources, repeatFrom } = options;
  const isText = text !== null;
  return {
    recipe: isText
      ? { form: "text", text, file, args }
      : { form: "lines", lines: row.recipe, skipPrePost: row.skip_pre_post },
    sources: isText
      ? new Map(Object.entries(sources ?? {}).map(([step, source]) => [Number(step), source]))
      : undefined,
    secrets: row.secrets === null ? {} : sealed.open(row.id, row.secrets),
    repeatFrom,
  };
}
