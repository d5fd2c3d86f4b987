import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { randomUUID } from "node:crypto";
import { open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { defined, WrennError } from "@wrenn/core";
import { hasCode } from "./files.ts";

const OUTPUT_LIMIT = 1 << 20;

export interface CommandOptions {
  /** Bytes fed to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Texts that the command, and programs that it starts, may open as `/dev/fd/3`, `/dev/fd/4`, … */
  readonly files?: readonly string[];
  /**
   * The result is there as soon as the program has closed its standard output, with exit code 0 and what standard error had until then.
   * The program may run on; it leads a session of its own, and an abort that comes later does not end it.
   */
  readonly untilOutputEnds?: true;
  /** What errors call the command; by default its program. */
  readonly name?: string;
  readonly cwd?: string;
  /** The whole environment of the command; without it the caller's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** User and group to run as, for a caller that may change them. */
  readonly uid?: number;
  readonly gid?: number;
  /** Called with each piece of output as it arrives, for progress. */
  readonly onOutput?: (text: string) => void;
  /** Called with each piece of standard output as it arrives, for more of it than the result holds. */
  readonly onStdout?: (text: string) => void;
}

export interface CommandResult {
  /** Exit code, or 128 + signal number where a signal ended it. */
  readonly code: number;
  /** At most the last MiB. */
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program from an argument vector (never through a shell) and waits for it.
 *
 * @throws WrennError `dependency_missing` when the program does not exist; the signal's reason when it aborts.
 */
export async function tryCommand(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  options.signal?.throwIfAborted();
  await using files = await openNameless(options.files ?? []);
  options.signal?.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ["pipe", "pipe", "pipe", ...files.handles.map(({ fd }) => fd)],
    ...defined({ uid: options.uid, gid: options.gid, detached: options.untilOutputEnds }),
  }) as ChildProcessWithoutNullStreams;
  const kill = (): void => void child.kill("SIGKILL");
  options.signal?.addEventListener("abort", kill, { once: true });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-OUTPUT_LIMIT);
    options.onStdout?.(text);
    options.onOutput?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-OUTPUT_LIMIT);
    options.onOutput?.(text);
  });
  // A program that ends without reading its input closes the pipe; its exit code says what happened.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const { promise, resolve, reject } = Promise.withResolvers<CommandResult>();
  child.once("error", (error) => {
    reject(
      hasCode(error, "ENOENT")
        ? new WrennError("dependency_missing", { what: program }, { cause: error })
        : error,
    );
  });
  child.once("close", (code, signal) => {
    resolve({ code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), stdout, stderr });
  });
  if (options.untilOutputEnds) {
    child.stdout.once("close", () => resolve({ code: 0, stdout, stderr }));
    child.unref();
  }
  try {
    const result = await promise;
    options.signal?.throwIfAborted();
    return result;
  } finally {
    options.signal?.removeEventListener("abort", kill);
  }
}

/** Files without a name, which are gone with their last user whatever becomes of this process. */
async function openNameless(
  texts: readonly string[],
): Promise<{ readonly handles: readonly FileHandle[] } & AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const handles: FileHandle[] = [];
  for (const text of texts) {
    const path = join(tmpdir(), `wrenn-${randomUUID()}`);
    const handle = await open(path, "wx+", 0o600);
    opened.defer(() => handle.close());
    await rm(path);
    await handle.writeFile(text);
    handles.push(handle);
  }
  const kept = opened.move();
  return { handles, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/**
 * Like {@link tryCommand}, but an exit code other than 0 is an error.
 *
 * @throws WrennError `command_failed` with the last line of standard error.
 */
export async function runCommand(
  argv: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await tryCommand(argv, options);
  if (result.code !== 0) {
    const lastLine = result.stderr.trim().split("\n").at(-1) ?? "";
    throw new WrennError("command_failed", {
      command: options.name ?? argv[0],
      problem: lastLine || `exit code ${result.code}`,
    });
  }
  return result;
}
