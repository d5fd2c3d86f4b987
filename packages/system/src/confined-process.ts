import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

/** The root of the installation. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

export interface ConfinedProcess {
  /** Path of the program, a module of Node.js. */
  readonly program: string;
  /** All that it may read, relative to the root of the installation: its program and the packages that it imports. */
  readonly readable: readonly string[];
  readonly heapMib: number;
  /** Of the heap, for young objects; by default what Node.js takes. */
  readonly youngMib?: number;
}

/**
 * Starts a process that handles bytes of strangers: it may use the network and talk with this process by messages of JSON, and has
 * nothing of this one's environment, which may hold secrets, and no right to processes, native code and other files. What it prints
 * as errors is to be read.
 */
export function forkConfined({ program, readable, heapMib, youngMib }: ConfinedProcess): ChildProcess {
  return fork(program, [], {
    env: {},
    execArgv: [
      "--permission",
      "--allow-net",
      ...readable.map((path) => `--allow-fs-read=${join(ROOT, path)}`),
      `--max-old-space-size=${heapMib}`,
      ...(youngMib === undefined ? [] : [`--max-semi-space-size=${youngMib}`]),
      "--disable-warning=ExperimentalWarning",
      "--disable-warning=SecurityWarning",
    ],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    serialization: "json",
  });
}
