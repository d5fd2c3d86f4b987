import { readFile, readdir } from "node:fs/promises";
import type { TestsStream } from "node:test";

/** How long after its start something is late, in milliseconds. */
export interface Lateness {
  readonly file: number;
  /** After the last test of the file, in which its process has to end. */
  readonly end: number;
}

/**
 * The files of a test run that have begun and not ended. The runner's own time limit ends tests, not processes: it waits without
 * end for a file whose tests are over while something keeps its process alive, and for one that does not act on SIGTERM.
 */
export class RunningFiles {
  readonly #since = new Map<string, number>();
  readonly #tookMs = new Map<string, number>();
  /** When files reported the outcome of all their tests. */
  readonly #overAt = new Map<string, number>();
  readonly #now: () => number;

  /** @param now - milliseconds of a clock that only goes forward. */
  constructor(stream: TestsStream, now: () => number) {
    this.#now = now;
    // Events of a file itself have its path as their name.
    stream.on("test:dequeue", ({ name, file }) => {
      if (name === file) this.#since.set(name, now());
    });
    stream.on("test:summary", ({ file }) => {
      if (file !== undefined) this.#overAt.set(file, now());
    });
    stream.on("test:complete", ({ name, file }) => {
      const since = this.#since.get(name);
      if (name !== file || since === undefined) return;
      this.#since.delete(name);
      this.#tookMs.set(name, now() - since);
    });
  }

  /** Paths of the files that have been running for longer. */
  late({ file, end }: Lateness): readonly string[] {
    const isLate = ([path, since]: readonly [string, number]): boolean => {
      return this.#now() - since > file || this.#now() - (this.#overAt.get(path) ?? Infinity) > end;
    };
    return [...this.#since].filter(isLate).map(([path]) => path);
  }

  /** The files that took longest, slowest first. */
  slowest(count: number): readonly { readonly file: string; readonly ms: number }[] {
    const all = [...this.#tookMs].map(([file, ms]) => ({ file, ms }));
    return all.sort((a, b) => b.ms - a.ms).slice(0, count);
  }
}

/** A process that was killed. */
export interface Killed {
  readonly pid: string;
  readonly openFiles: number;
  /** The kernel function that its main thread was waiting in. */
  readonly waitingIn: string;
}

/**
 * Kills the process of a test file, which then counts as failed.
 *
 * @param runner - pid of the process that started it.
 * @param file - path of the test file.
 * @returns what was killed; nothing where there was no such process.
 */
export async function endTestFile(runner: number, file: string): Promise<Killed | undefined> {
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const read = (what: string): Promise<string> => readFile(`/proc/${pid}/${what}`, "utf8").catch(() => "");
    const line = (await read("cmdline")).split("\0");
    if (line.at(-2) !== file || !new RegExp(String.raw`^PPid:\s+${runner}$`, "m").test(await read("status")))
      continue;
    const openFiles = (await readdir(`/proc/${pid}/fd`).catch(() => [])).length;
    const waitingIn = (await read("wchan")) || "user code";
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended by itself.
      return undefined;
    }
    return { pid, openFiles, waitingIn };
  }
  return undefined;
}
