import { defined } from "@wrenn/core";
import type { BuildRow, NewBuild, RecipeOptions } from "@wrenn/database";
import type { RegistryLogin } from "@wrenn/protocol";
import type { SealedJson } from "../secrets/sealed-json.ts";
import type { BuildRecipe } from "./recipe.ts";
import type { PackedSource } from "./requested-build.ts";

/** Values of a build's secrets by their ids. */
export type BuildSecrets = Readonly<Record<string, string>>;

/** What of a build is stored sealed. */
export interface SealedBuild {
  readonly values: BuildSecrets;
  readonly login?: RegistryLogin | undefined;
}

/** What a build performs, with what it needs beside its archive. */
export interface RequestedRecipe {
  readonly recipe: BuildRecipe;
  /** What of the archive is for which step; undefined where the instructions name its files. */
  readonly sources: ReadonlyMap<number, PackedSource> | undefined;
  readonly secrets: BuildSecrets;
  /** How the registry of its image knows the build; undefined: as the host is known to it. */
  readonly login: RegistryLogin | undefined;
  /** The archive that has the image to start from; undefined: what FROM or the request names. */
  readonly imageArchive: RecipeOptions["imageArchive"] | undefined;
  /** This step and those behind it are performed, also when they have been before. */
  readonly repeatFrom: number | undefined;
  /** Tags that the version gets besides that of its name. */
  readonly tags?: readonly string[] | undefined;
}

export type StoredRecipe = Pick<NewBuild, "recipeText" | "recipeOptions" | "skipPrePost" | "secrets">;

/** As the row of a build has it. @param id - UUID of the build. */
export function storedRecipe(
  id: string,
  { recipe, sources, secrets, login, imageArchive, repeatFrom, tags }: RequestedRecipe,
  fromImage: boolean,
  sealed: SealedJson<SealedBuild>,
): StoredRecipe {
  const isText = recipe.form === "text";
  const options: RecipeOptions = {
    ...(isText && { file: recipe.file, args: recipe.args, sources: Object.fromEntries(sources ?? []) }),
    ...(repeatFrom !== undefined && { repeatFrom }),
    ...(fromImage && { fromImage }),
    ...defined({ imageArchive }),
    ...(tags && { tags }),
  };
  return {
    recipeText: isText ? recipe.text : undefined,
    recipeOptions: options,
    skipPrePost: isText || recipe.skipPrePost,
    secrets:
      Object.keys(secrets).length > 0 || login ? sealed.seal(id, { values: secrets, login }) : undefined,
  };
}

/** The same, from the row. @throws Error for secrets that cannot be opened. */
export function requestedRecipe(
  row: BuildRow,
  sealed: SealedJson<SealedBuild>,
): RequestedRecipe & { readonly fromImage: boolean } {
  const { recipe_text: text, recipe_options: options } = row;
  const { file = "recipe", args = {}, sources, imageArchive, repeatFrom, fromImage = false } = options;
  const { values, login } = openSealed(row, sealed);
  const isText = text !== null;
  return {
    recipe: isText
      ? { form: "text", text, file, args }
      : { form: "lines", lines: row.recipe, skipPrePost: row.skip_pre_post },
    sources: isText
      ? new Map(Object.entries(sources ?? {}).map(([step, source]) => [Number(step), source]))
      : undefined,
    secrets: values,
    login,
    imageArchive,
    repeatFrom,
    fromImage,
  };
}

/** A build that waited while the server was replaced by this version has its secrets alone. */
function openSealed(row: BuildRow, sealed: SealedJson<SealedBuild>): SealedBuild {
  if (row.secrets === null) return { values: {} };
  const opened: SealedBuild | BuildSecrets = sealed.open(row.id, row.secrets);
  return isSealedBuild(opened) ? opened : { values: opened };
}

function isSealedBuild(opened: SealedBuild | BuildSecrets): opened is SealedBuild {
  return typeof opened["values"] === "object";
}
