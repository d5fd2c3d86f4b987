import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  access,
  readdir,
  unlink,
} from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "@wrenn/core";
import { abortable } from "@wrenn/core";
import { identifyProcess, isAlive, syncDirectory } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

const WAIT_MS = 100;

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

export function createArtifactStore(directory: string, logger: Logger): ArtifactStore {
  return {
    buildOnce: async (kind, key, build, signal) => {
      const parent = join(directory, kind);
      const final = join(parent, key);
      await mkdir(parent, { recursive: true, mode: 0o755 });
      if (await exists(final)) return final;
      await using lock = await lockFile(`${final}.lock`, signal);
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

/** What an earlier builder left when it was killed; the lock is ours, so nobody works on it. */
async function removeDebris(parent: string, key: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (name.startsWith(`${key}.building-`)) await rm(join(parent, name), { recursive: true, force: true });
  }
}

/** Waits for a lock and takes it; the lock of a process that died is taken over. */
async function lockFile(path: string, signal: AbortSignal): Promise<AsyncDisposable> {
  const self = await identifyProcess(process.pid);
  const mine = `${path}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  const file = await open(mine, "wx");
  await file.writeFile(JSON.stringify(self));
  await file.close();
  try {
    for (;;) {
      signal.throwIfAborted();
      // A link is made whole or not at all, with its content: nobody ever sees an empty lock.
      const taken = await link(mine, path).then(
        () => true,
        () => false,
      );
      if (taken) return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
      const holder = await readHolder(path);
      if (holder && !(await isAlive(holder))) await unlink(path).catch(() => {});
      else await abortable(signal, new Promise((resolve) => setTimeout(resolve, WAIT_MS)));
    }
  } finally {
    await rm(mine, { force: true });
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
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
