import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Logger } from "@wrenn/core";

/** Bundles the program for its next start in a process of its own; disposing ends it. A failure is logged: this start does not need it. */
export function bundleBeside(logger: Logger): Disposable {
  const child = fork(join(import.meta.dirname, "process.ts"), [], {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  void (async () => {
    const [problem, [code]] = await Promise.all([
      child.stderr ? text(child.stderr) : "",
      once(child, "exit") as Promise<[number | null]>,
    ]);
    if (code !== null && code !== 0) logger.warn("program.not_bundled", { problem: problem.slice(0, 500) });
  })().catch((error: unknown) => logger.warn("program.not_bundled", { problem: String(error) }));
  return { [Symbol.dispose]: () => void child.kill() };
}
