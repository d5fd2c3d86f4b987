import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { tryLock } from "@wrenn/system";
import { removeBuild } from "./remove-build.ts";

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

/** Whether this is the directory of a build whose process is gone. */
export async function isAbandonedBuild(directory: string): Promise<boolean> {
  await using lock = await lockOfBuild(directory);
  return lock !== undefined;
}

export async function removeAbandonedBuild({ directory }: AbandonedBuild): Promise<void> {
  await using lock = await lockOfBuild(directory);
  if (lock) await removeBuild(directory);
}

/** The lock of the artifact that was being built in `directory`; undefined while the builder holds it, and for other directories. */
async function lockOfBuild(directory: string): Promise<AsyncDisposable | undefined> {
  const final = BUILDING.exec(directory)?.[1];
  return final === undefined ? undefined : await tryLock(`${final}.lock`);
}
