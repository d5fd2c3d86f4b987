import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@wrenn/core";
import { systemClock, systemRandom } from "@wrenn/core";
import { identifyProcess, syncDirectory } from "@wrenn/system";
import { takeLock } from "./build-lock.ts";
import type { LockDependencies } from "./build-lock.ts";

/**
 * Things that are expensive to make and never change: each lives in `<directory>/<kind>/<key>/` and is made once,
 * however many processes ask for it at the same time. What appears under its key is complete.
 */
export interface ArtifactStore {
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
}

/** An artifact store in `directory`, which may be shared by any number of processes of this machine. */
export function createArtifactStore(
  directory: string,
  logger: Logger,
  dependencies: LockDependencies = { clock: systemClock, random: systemRandom },
): ArtifactStore {
  return {
    buildOnce: async (kind, key, build, signal) => {
      const parent = join(directory, kind);
      const final = join(parent, key);
      await mkdir(parent, { recursive: true, mode: 0o755 });
      if (await exists(final)) return final;
      await using lock = await takeLock(`${final}.lock`, dependencies, signal);
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
        await rm(building, { recursive: true, force: true });
        throw error;
      }
    },
  };
}

/** What earlier builders and waiters left when they were killed; the lock is ours, so nobody builds here. */
async function removeDebris(parent: string, key: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const isBuild = name.startsWith(`${key}.building-`);
    const waiter = name.startsWith(`${key}.lock.`) ? /\.(\d+)-[0-9a-f]+$/.exec(name)?.[1] : undefined;
    const isDeadWaiter = waiter !== undefined && (await identifyProcess(Number(waiter))) === undefined;
    if (isBuild || isDeadWaiter) await rm(join(parent, name), { recursive: true, force: true });
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

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
