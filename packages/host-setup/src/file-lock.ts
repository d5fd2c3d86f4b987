import { spawn } from "node:child_process";
import { once } from "node:events";
import { WrennError, problemOf } from "@wrenn/core";

/**
 * Waits for an exclusive lock on a file and holds it until disposed. flock(1) takes it and `cat` keeps it for as long as our
 * end of its input is open, so the kernel gives it back however this process ends.
 *
 * @throws WrennError `command_failed` when the lock cannot be taken; the signal's reason when it aborts.
 */
export async function holdFileLock(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  signal?.throwIfAborted();
  const holder = spawn("flock", ["--exclusive", path, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
  const closed = once(holder, "close").catch((error: unknown) => error);
  const release = async (): Promise<void> => {
    holder.stdin.end();
    await closed;
  };
  const abort = (): void => void holder.kill();
  signal?.addEventListener("abort", abort, { once: true });
  // A holder that died closes the pipe; its missing echo says so.
  holder.stdin.on("error", () => {});
  holder.stdin.write("\n");
  try {
    // `cat` gives the byte back once it runs, and it runs once the lock is ours.
    const echoed = await Promise.race([once(holder.stdout, "data"), closed]);
    signal?.throwIfAborted();
    if (!Array.isArray(echoed) || !(echoed[0] instanceof Uint8Array)) {
      const problem = echoed instanceof Error ? problemOf(echoed) : `${path} cannot be locked`;
      throw new WrennError("command_failed", { command: "flock", problem });
    }
  } catch (error) {
    await release();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
  return { [Symbol.asyncDispose]: release };
}
