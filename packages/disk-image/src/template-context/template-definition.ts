import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists } from "@wrenn/system";
import type { TemplateFiles } from "./template-files.ts";

/** A package of npm whose bytes are known. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** `sha512-` and the digest of its archive in base64, as in a package-lock.json. */
  readonly integrity: string;
}

/** What one step of a recipe installs: a directory of its context. */
export interface PackageSet {
  /** Name of the directory, from that of the template's recipe. */
  readonly name: string;
  /** Debian packages; those that they depend on come with them. */
  readonly packages: readonly string[];
  readonly npm: readonly NpmPackage[];
}

/** A template that hosts build from a recipe, Debian packages and npm packages. */
export interface TemplateDefinition {
  readonly name: string;
  /** What it has, for people. */
  readonly description: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** In the order in which the recipe installs them. */
  readonly sets: readonly PackageSet[];
  /** What the recipe copies. */
  readonly files: readonly TemplateFiles[];
  /** Text of the recipe. */
  readonly recipe: string;
}

type StoredDefinition = Omit<TemplateDefinition, "name" | "recipe" | "sets" | "files"> & {
  readonly sets: readonly string[];
  /** Directories from that of the definition, by their names in the context. */
  readonly files?: Readonly<Record<string, string>>;
};
type StoredSets = Readonly<Record<string, Partial<Omit<PackageSet, "name">>>>;

const DEFINITION = "template.json";
const RECIPE = "Wrennfile";
const SETS = "package-sets.json";

/**
 * Names of the templates that a directory defines, sorted.
 *
 * @param directory - has a directory for each template, and `package-sets.json`.
 */
export async function listDefinitions(directory: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (const name of await readdir(directory))
    if (await exists(join(directory, name, DEFINITION))) names.push(name);
  return names.sort();
}

/**
 * Reads the definition of a template.
 *
 * @throws WrennError `built_in_unknown` when the directory does not define it.
 */
export async function readDefinition(directory: string, name: string): Promise<TemplateDefinition> {
  const names = await listDefinitions(directory);
  if (!names.includes(name))
    throw new WrennError("built_in_unknown", { template: name, names: names.join(", ") });
  const own = join(directory, name);
  const [stored, known, recipe] = await Promise.all([
    readFile(join(own, DEFINITION), "utf8").then((text) => JSON.parse(text) as StoredDefinition),
    readFile(join(directory, SETS), "utf8").then((text) => JSON.parse(text) as StoredSets),
    readFile(join(own, RECIPE), "utf8"),
  ]);
  const sets = stored.sets.map((set): PackageSet => {
    const { packages = [], npm = [] } = known[set] ?? missing(`${SETS} has no set ${set}`);
    return { name: set, packages, npm };
  });
  const files = Object.entries(stored.files ?? {}).map(([place, path]) => ({
    name: place,
    path: join(own, path),
  }));
  return { ...stored, name, recipe, sets, files };
}

function missing(problem: string): never {
  throw new Error(problem);
}
