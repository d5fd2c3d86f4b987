import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "@wrenn/core";
import { systemClock } from "@wrenn/core";
import { hasCode } from "./files.ts";

const RETRY_MS = 100;

/**
 * Takes the lock named by `path` unless a process on this machine holds it. The directory of `path` must exist; `path` itself need
 * not. A lock is a Unix socket in the kernel's abstract namespace: it exists for one holder at a time, leaves no file, and is
 * released by the kernel however its process ends. It does not keep that process alive. Processes see each other's locks within one
 * network namespace; any user of the machine can take one, so a lock orders our own processes and protects from no one.
 *
 * @returns the lock, released by disposing it; undefined while it is held.
 * @throws the operating system's error, `ENOENT` when the directory does not exist.
 */
export async function tryLock(path: string): Promise<AsyncDisposable | undefined> {
  const address = await addressOf(path);
  const server = createServer((socket) => socket.destroy());
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(address, listening.resolve);
  try {
    await listening.promise;
  } catch (error) {
    if (hasCode(error, "EADDRINUSE")) return undefined;
    throw error;
  }
  server.unref();
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

/**
 * Waits for the lock of {@link tryLock} and takes it. Waiters are not served in order.
 *
 * @throws the signal's reason when it aborts.
 */
export async function holdLock(
  path: string,
  signal: AbortSignal | undefined,
  clock: Clock = systemClock,
): Promise<AsyncDisposable> {
  for (;;) {
    signal?.throwIfAborted();
    const lock = await tryLock(path);
    if (lock) return lock;
    await clock.sleep(RETRY_MS, signal);
  }
}

/** The directory counts by its identity, so that every path to it means the same lock. */
async function addressOf(path: string): Promise<string> {
  const { dev, ino } = await stat(dirname(resolve(path)), { bigint: true });
  const identity = createHash("sha256")
    .update(`${dev}:${ino}:${basename(path)}`)
    .digest("hex");
  return `\0wrenn-lock-${identity}`;
}
