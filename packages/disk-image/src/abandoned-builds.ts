import { access, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { isAbandoned } from "./build-lock.ts";

const BUILDING = /^(.+)\.building-[^/]+$/;

export interface AbandonedBuild {
  readonly directory: string;
  readonly ageMs: number;
}

/** Directories in which an artifact was being built by a process that is gone (createArtifactStore). */
export async function findAbandonedBuilds(cacheDirectory: string): Promise<readonly AbandonedBuild[]> {
  const found: AbandonedBuild[] = [];
  for (const kind of await readdir(cacheDirectory).catch(() => [])) {
    for (const name of await readdir(join(cacheDirectory, kind)).catch(() => [])) {
      const directory = join(cacheDirectory, kind, name);
      if (!(await isAbandonedBuild(directory))) continue;
      const made = await stat(directory).catch(() => undefined);
      if (made) found.push({ directory, ageMs: Date.now() - made.mtimeMs });
    }
  }
  return found;
}

/** Whether this is the directory of a build that nobody goes on with. */
export async function isAbandonedBuild(directory: string): Promise<boolean> {
  const final = BUILDING.exec(directory)?.[1];
  if (final === undefined) return false;
  const locked = await access(`${final}.lock`).then(
    () => true,
    () => false,
  );
  return !locked || (await isAbandoned(`${final}.lock`));
}

export async function removeAbandonedBuild({ directory }: AbandonedBuild): Promise<void> {
  if (await isAbandonedBuild(directory)) await rm(directory, { recursive: true, force: true });
}
