import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WrennError } from "@wrenn/core";
import { projectRoot } from "./project-root.ts";

/** Characters of a line of progress. */
const MAX_LINE = 200;

/**
 * Runs `./wrenn template build --builtin NAME` next to a server, with a lower priority than its machines have. An abort ends it as Ctrl-C
 * does, and with it the build.
 *
 * @param onProgress - takes each line that it prints.
 * @throws WrennError `command_failed` with what it printed; the signal's reason when it aborts.
 */
export async function buildBeside(
  name: string,
  onProgress: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const words = ["template", "build", "--builtin", name, "--progress", "plain"];
  const child = spawn("nice", ["-n", "10", join(projectRoot, "wrenn"), ...words], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const end = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", end, { once: true });
  let problem: string | undefined;
  createInterface({ input: child.stderr }).on("line", (line) => {
    const text = line.trim().slice(0, MAX_LINE);
    if (text.startsWith("wrenn: ")) problem = text.slice("wrenn: ".length);
    else if (text !== "" && !/^[^#].*[.:]$/.test(text)) onProgress(text);
  });
  try {
    await once(child, "close");
    signal.throwIfAborted();
    if (child.exitCode === 0) return;
    throw new WrennError("command_failed", {
      command: `./wrenn template build --builtin ${name}`,
      problem: problem ?? `exit code ${child.exitCode}`,
    });
  } finally {
    signal.removeEventListener("abort", end);
  }
}
