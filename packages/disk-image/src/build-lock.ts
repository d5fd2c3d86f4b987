import { link, open, readFile, rm, unlink } from "node:fs/promises";
import type { Clock, Random } from "@wrenn/core";
import { randomHex } from "@wrenn/core";
import { identifyProcess, isAlive } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

const RETRY_MS = 100;

export interface LockDependencies {
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Waits for the lock file `path` and takes it; disposing gives it back. The lock of a process that is gone is taken over,
 * so a killed holder keeps nobody waiting.
 */
export async function takeLock(
  path: string,
  dependencies: LockDependencies,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const mine = `${path}.${process.pid}-${randomHex(dependencies.random, 8)}`;
  try {
    await writeIdentity(mine);
    while (!(await tryLink(mine, path))) {
      signal.throwIfAborted();
      if (await isAbandoned(path)) await removeAbandoned(path, dependencies, signal);
      else await dependencies.clock.sleep(RETRY_MS, signal);
    }
  } finally {
    await rm(mine, { force: true });
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

/** Durable before it is linked, so that a lock is never seen without its holder's identity. */
async function writeIdentity(path: string): Promise<void> {
  const file = await open(path, "wx", 0o644);
  try {
    await file.writeFile(JSON.stringify(await identifyProcess(process.pid)));
    await file.sync();
  } finally {
    await file.close();
  }
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Two waiters may both see a dead holder. Only the holder of the takeover lock removes, and it looks again first: the lock it
 * removes is the dead one, never that of a waiter who was quicker.
 */
async function removeAbandoned(
  path: string,
  dependencies: LockDependencies,
  signal: AbortSignal,
): Promise<void> {
  const takeover = await takeLock(`${path}.takeover`, dependencies, signal);
  try {
    if (await isAbandoned(path)) await unlink(path);
  } finally {
    await takeover[Symbol.asyncDispose]();
  }
}

/** Whether there is a lock whose holder is gone; one that cannot be read is a damaged file, nobody's. */
export async function isAbandoned(path: string): Promise<boolean> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  const holder = parseIdentity(text);
  return holder === undefined || !(await isAlive(holder));
}

function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const value = JSON.parse(text) as Partial<ProcessIdentity> | null;
    if (typeof value?.pid !== "number" || typeof value.startTime !== "string") return undefined;
    return { pid: value.pid, startTime: value.startTime };
  } catch {
    return undefined;
  }
}
