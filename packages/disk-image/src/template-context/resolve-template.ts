import { createHash } from "node:crypto";
import type { OfferedPackage, PackageDownloads } from "./package-downloads.ts";
import type { PackageSet, TemplateDefinition } from "./template-definition.ts";
import { digestTemplateFiles } from "./template-files.ts";

/** A set with the Debian packages that it brings, beyond the image and the sets before it. */
export interface ResolvedSet extends PackageSet {
  readonly debs: readonly OfferedPackage[];
}

/** A template with everything that goes into it. */
export interface TemplateInputs {
  readonly definition: TemplateDefinition;
  readonly sets: readonly ResolvedSet[];
  /** The same for the same recipe, image, files and versions of packages. */
  readonly inputs: string;
}

/** Changes when the way contexts are made changes. */
const VERSION = 1;

/**
 * Works out what a template is made of today. Nothing is downloaded.
 *
 * @param image - names the content of the image that the recipe starts from.
 * @throws WrennError `package_index_unavailable` for a package that the sources do not have.
 */
export async function resolveTemplate(
  definition: TemplateDefinition,
  { downloads, image }: { readonly downloads: Pick<PackageDownloads, "missing">; readonly image: string },
  signal: AbortSignal,
): Promise<TemplateInputs> {
  const sets: ResolvedSet[] = [];
  const names: string[] = [];
  const brought = new Set<string>();
  for (const set of definition.sets) {
    names.push(...set.packages);
    const debs = set.packages.length === 0 ? [] : await downloads.missing(names, signal);
    sets.push({ ...set, debs: debs.filter(({ file }) => !brought.has(file)) });
    for (const { file } of debs) brought.add(file);
  }
  const { files, ...described } = definition;
  const digests = await Promise.all(files.map(async (one) => [one.name, await digestTemplateFiles(one)]));
  const debs = sets.map((set) => set.debs.map(({ file }) => file).sort());
  const material = [VERSION, image, described, debs, digests];
  return {
    definition,
    sets,
    inputs: createHash("sha256").update(JSON.stringify(material)).digest("hex"),
  };
}
