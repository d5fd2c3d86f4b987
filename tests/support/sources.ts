import { readdir } from "node:fs/promises";
import { join } from "node:path";

export const projectRoot = join(import.meta.dirname, "../..");

const SOURCE = /\.(ts|c|h)$/;
const SKIPPED = new Set(["node_modules", "build", "generated", ".svelte-kit"]);

/** Paths, relative to the project, of every source file below the given folders. */
export async function listSources(folders: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(projectRoot, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) await walk(path);
      else if (entry.isFile() && SOURCE.test(entry.name)) found.push(path);
    }
  };
  for (const folder of folders) await walk(folder);
  return found.sort();
}

/** Paths, relative to the project, of every Markdown document. */
export async function listDocuments(): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(projectRoot, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && !["node_modules", ".git", "build", ".svelte-kit"].includes(entry.name))
        await walk(path);
      else if (entry.isFile() && entry.name.endsWith(".md")) found.push(path);
    }
  };
  await walk("");
  return found.sort();
}
