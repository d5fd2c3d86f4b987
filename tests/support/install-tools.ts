import { readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { holdLock, readFileIfPresent, runCommand } from "@wrenn/system";
import { projectRoot } from "./sources.ts";

/**
 * Installs packages that only some tests need into a folder with a package.json and a lock file of its own, as the lock file says.
 * Nothing is done when they are there. Processes that ask at the same time install once.
 *
 * @throws WrennError `dependency_missing` without npm, `command_failed` when npm fails.
 */
export async function installTools(folder: string): Promise<void> {
  await using _ = await holdLock(join(folder, "installation"), undefined);
  const modules = join(folder, "node_modules");
  const lockFile = join(folder, "package-lock.json");
  const lock = await readFile(lockFile, "utf8");
  // The copy of the lock file says which lock the installed tree belongs to, as for the launcher's own tree.
  const marker = join(modules, ".installed-lock.json");
  if ((await readFileIfPresent(marker)) === lock) return;
  await rm(marker, { force: true });
  await runCommand(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: folder,
  });
  if ((await readFile(lockFile, "utf8")) !== lock) {
    await writeFile(lockFile, lock);
    throw new Error(`${relative(projectRoot, lockFile)} does not fit its package.json`);
  }
  await writeFile(marker, lock);
}
