import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, Logger } from "@wrenn/core";
import { systemClock } from "@wrenn/core";
import { exists, hasCode, holdLock, syncDirectory } from "@wrenn/system";
import { removeBuild } from "./remove-build.ts";

/**
 * Things that are expensive to make and never change: each lives in `<directory>/<kind>/<key>/` and is made once,
 * however many processes ask for it at the same time. What appears under its key is complete.
 */
export interface ArtifactStore {
  /** The directory of an artifact that was built. */
  find(kind: string, key: string): Promise<string | undefined>;
  /** The same, and it counts as used from now on. */
  use(kind: string, key: string): Promise<string | undefined>;
  /**
   * The directory of an artifact; `build` fills an empty directory when it does not exist yet.
   *
   * @param key - names the content: a hash of everything that goes in.
   */
  buildOnce(
    kind: string,
    key: string,
    build: (directory: string) => Promise<void>,
    signal: AbortSignal,
  ): Promise<string>;
  /** Keys of the complete artifacts of a kind. */
  list(kind: string): Promise<readonly string[]>;
  /** Removes an artifact; one that is not there is fine. */
  remove(kind: string, key: string): Promise<void>;
  /** Removes the artifacts of a kind that were used longest ago, beyond `most`. They are built again when they are asked for. */
  trim(kind: string, most: number, options?: TrimOptions): Promise<void>;
}

export interface TrimOptions {
  /** What was used later stays; ms since 1970. */
  readonly usedBefore?: number;
  /** Whether the artifact with a key stays all the same. */
  readonly isKept?: (key: string) => boolean;
}

/** An artifact store in `directory`, which may be shared by any number of processes of this machine. */
export function createArtifactStore(
  directory: string,
  logger: Logger,
  clock: Clock = systemClock,
): ArtifactStore {
  const list = async (kind: string): Promise<readonly string[]> => {
    const names = (await readdir(join(directory, kind)).catch(absent)) ?? [];
    return names.filter((name) => !name.includes("."));
  };
  const remove = async (kind: string, key: string): Promise<void> => {
    const path = join(directory, kind, key);
    if (!(await exists(path))) return;
    // A reader sees all of it or nothing; of two processes one removes it.
    await rename(path, `${path}.building-removed`).catch(absent);
    await rm(`${path}.building-removed`, { recursive: true, force: true });
    logger.info("artifact.removed", { path });
  };
  return {
    find: async (kind, key) => {
      const path = join(directory, kind, key);
      return (await exists(path)) ? path : undefined;
    },
    use: async (kind, key) => {
      const path = join(directory, kind, key);
      return (await touch(path, clock)) ? path : undefined;
    },
    buildOnce: async (kind, key, build, signal) => {
      const parent = join(directory, kind);
      const final = join(parent, key);
      await mkdir(parent, { recursive: true, mode: 0o755 });
      if (await touch(final, clock)) return final;
      await using lock = await holdLock(`${final}.lock`, signal, clock);
      void lock;
      if (await exists(final)) return final;
      await removeDebris(parent, key);
      const building = await mkdtemp(`${final}.building-`);
      try {
        logger.info("artifact.building", { kind, key });
        await build(building);
        signal.throwIfAborted();
        // A temporary directory is private; machines, which run as users of their own, read what is inside.
        await chmod(building, 0o755);
        await syncTree(building);
        await rename(building, final);
        await syncDirectory(parent);
        return final;
      } catch (error) {
        await removeBuild(building);
        throw error;
      }
    },
    list,
    remove,
    trim: async (kind, most, { usedBefore = Infinity, isKept = () => false } = {}) => {
      const artifacts: { readonly key: string; readonly usedAt: number }[] = [];
      for (const key of await list(kind)) {
        const usedAt = await stat(join(directory, kind, key)).then(({ mtimeMs }) => mtimeMs, absent);
        if (usedAt !== undefined) artifacts.push({ key, usedAt });
      }
      artifacts.sort((a, b) => b.usedAt - a.usedAt);
      for (const { key, usedAt } of artifacts.slice(most))
        if (usedAt < usedBefore && !isKept(key)) await remove(kind, key);
    },
  };
}

/** Notes that an artifact is used. @returns whether it exists. */
async function touch(path: string, clock: Clock): Promise<boolean> {
  if (!(await exists(path))) return false;
  const now = new Date(clock.now());
  await utimes(path, now, now).catch(absent);
  return await exists(path);
}

/** Another process removed it at this moment. */
function absent(error: unknown): undefined {
  if (!hasCode(error, "ENOENT")) throw error;
}

/** Removes builds of killed processes; the caller holds the lock, so no build of this key is alive. */
async function removeDebris(parent: string, key: string): Promise<void> {
  for (const name of await readdir(parent)) {
    // Version 0.1 kept its locks in files.
    const isDebris = name.startsWith(`${key}.building-`) || name.startsWith(`${key}.lock`);
    if (isDebris) await removeBuild(join(parent, name));
  }
}

async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncDirectory(path);
  }
  await syncDirectory(directory);
}
