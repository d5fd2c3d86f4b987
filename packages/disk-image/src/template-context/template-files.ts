import { createHash } from "node:crypto";
import { cp, readdir, readFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";

/** A directory of this release that the recipe of a template copies. */
export interface TemplateFiles {
  /** Its name in the context of the recipe. */
  readonly name: string;
  readonly path: string;
}

/** What programs that were run from the directory have left in it. */
const LEFT_BEHIND: ReadonlySet<string> = new Set(["__pycache__", "node_modules"]);

const isMeant = (path: string): boolean => !LEFT_BEHIND.has(basename(path));

/** The same for the same names and contents of files. */
export async function digestTemplateFiles({ path }: TemplateFiles): Promise<string> {
  const hash = createHash("sha256");
  const found = await readdir(path, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => relative(path, file).split("/").every(isMeant));
  for (const file of files.sort()) {
    const content = await readFile(file);
    hash.update(`${JSON.stringify([relative(path, file), content.length])}\n`).update(content);
  }
  return hash.digest("hex");
}

/** Copies them into the context. */
export async function copyTemplateFiles({ name, path }: TemplateFiles, context: string): Promise<void> {
  await cp(path, join(context, name), { recursive: true, filter: isMeant });
}
