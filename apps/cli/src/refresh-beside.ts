import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { WrennError } from "@wrenn/core";
import type { RefreshResult } from "@wrenn/server";
import { projectRoot } from "./project-root.ts";

/**
 * Runs `./wrenn template refresh` next to a server, with a lower priority than its machines have. An abort ends it as Ctrl-C does.
 *
 * @throws WrennError `command_failed` with what it printed; the signal's reason when it aborts.
 */
export async function refreshBeside(signal: AbortSignal): Promise<RefreshResult> {
  signal.throwIfAborted();
  const words = ["template", "refresh", "--json"];
  const child = spawn("nice", ["-n", "10", join(projectRoot, "wrenn"), ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const end = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  try {
    const [stdout, stderr] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, "close"),
    ]);
    signal.throwIfAborted();
    if (child.exitCode === 0) return JSON.parse(stdout) as RefreshResult;
    const problem =
      stderr.split("\n").find((line) => line.startsWith("wrenn: ")) ?? `exit code ${child.exitCode}`;
    throw new WrennError("command_failed", { command: "./wrenn template refresh", problem });
  } finally {
    signal.removeEventListener("abort", end);
  }
}
