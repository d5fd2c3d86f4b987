import { open, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { hasCode, readFileIfPresent, tryCommand } from "@wrenn/system";
import type { CommandResult } from "@wrenn/system";

/** How a check looks at the host; tests put a described host in its place. */
export interface Probe {
  /** Effective user id. */
  readonly uid: number;
  /** Version of the running Node, without "v". */
  readonly nodeVersion: string;
  /** The host's idea of the time, in milliseconds since 1970. */
  now(): number;
  /** Content of a text file; undefined when there is none. */
  readText(path: string): Promise<string | undefined>;
  /** Opens a device or file for reading and writing and closes it; undefined when that works, else the system's error code. */
  tryOpen(path: string): Promise<string | undefined>;
  /** Bytes an ordinary user may still write below `path`, or below its nearest parent that exists. */
  freeBytes(path: string): Promise<number>;
  /**
   * Runs a program to its end, whatever its exit code.
   *
   * @throws WrennError `dependency_missing` when there is no such program.
   */
  run(argv: readonly [string, ...string[]], signal: AbortSignal, input?: string): Promise<CommandResult>;
}

/** The host this process runs on. */
export const hostProbe: Probe = {
  uid: process.geteuid?.() ?? -1,
  nodeVersion: process.versions.node,
  now: () => Date.now(),
  readText: readFileIfPresent,
  tryOpen: async (path) => {
    try {
      const file = await open(path, "r+");
      await file.close();
      return undefined;
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  },
  freeBytes,
  run: (argv, signal, input) => tryCommand(argv, input === undefined ? { signal } : { signal, input }),
};

async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(path);
    if (hasCode(error, "ENOENT") && parent !== path) return await freeBytes(parent);
    throw error;
  }
}
