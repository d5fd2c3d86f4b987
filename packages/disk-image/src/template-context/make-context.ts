import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadNpmPackage } from "./npm-downloads.ts";
import type { PackageDownloads } from "./package-downloads.ts";
import { makeRepository, place } from "./package-repository.ts";
import type { TemplateInputs } from "./resolve-template.ts";
import { copyTemplateFiles } from "./template-files.ts";

export interface MakeContextOptions {
  readonly downloads: Pick<PackageDownloads, "download">;
  /** Keeps npm packages between calls. */
  readonly npmDirectory: string;
  /** Becomes the context. */
  readonly directory: string;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
}

const MIB = 2 ** 20;

/**
 * Downloads what a template is made of, and makes the directory that its recipe is built with: the recipe, the files of this release that
 * it copies, and for each set a directory with its Debian packages (see `makeRepository`) and its npm packages as `NAME.tgz`. An abort
 * leaves a part of it.
 *
 * @throws WrennError `package_index_unavailable`, `npm_package_unavailable`, `command_failed`.
 */
export async function makeContext(
  { definition, sets }: TemplateInputs,
  { downloads, npmDirectory, directory, progress }: MakeContextOptions,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "Wrennfile"), definition.recipe);
  for (const files of definition.files) await copyTemplateFiles(files, directory);
  const names = sets.flatMap(({ packages }) => packages);
  const debs = sets.flatMap((set) => set.debs);
  const size = Math.ceil(debs.reduce((sum, one) => sum + one.size, 0) / MIB);
  progress({ step: `download ${debs.length} Debian packages for ${definition.name} (${size} MiB)` });
  const paths = await downloads.download(names, debs, signal);
  const pathOf = new Map(debs.map(({ file }, at) => [file, paths[at] ?? ""]));
  for (const set of sets) {
    const own = join(directory, set.name);
    const archives = set.debs.map(({ file }) => pathOf.get(file) ?? "");
    await makeRepository(own, { names: archives.length === 0 ? [] : set.packages, archives }, signal);
    for (const one of set.npm) {
      progress({ step: `download ${one.name} ${one.version} for ${definition.name}` });
      const archive = await downloadNpmPackage(npmDirectory, one, signal);
      await place(archive, join(own, `${one.name.replaceAll(/[@/]/g, "")}.tgz`));
    }
  }
}
