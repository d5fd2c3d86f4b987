import { constants } from "node:os";
import { defined, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, ProcessExit, ProcessLimits } from "@wrenn/protocol";
import { asPhase, currentPhases } from "../http/current-phases.ts";
import { startProcess } from "./start-process.ts";
import type { Work } from "../http/pending-work.ts";
import { CollectedOutput } from "./collected-output.ts";
import type { CollectedOutputOptions } from "./collected-output.ts";

const { SIGKILL, SIGTERM } = constants.signals;
/** Each stream of a foreground command is kept up to here unless the server is configured otherwise; the rest is not kept. */
export const OUTPUT_LIMIT = 8 << 20;
/** How long ending a command may take, in milliseconds. */
export const endTimes = {
  /** A command that ignores TERM is killed after this. */
  killAfterMs: 2000,
  /** The guest is asked to kill for this long. */
  killMs: 10_000,
  /** A killed command's exit and the rest of its output are waited for this long. */
  exitMs: 30_000,
} as const;
type EndTimes = Readonly<Record<keyof typeof endTimes, number>>;

export interface ExecRequest {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly envs: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly user?: string;
  readonly limits?: ProcessLimits;
  readonly timeoutSec: number;
  /** Bytes that are kept of each stream. */
  readonly outputBytes?: number;
  /** Memory of the answer: output without room in it is left out, as output beyond the limit is. */
  readonly work?: Pick<Work, "reserve">;
}

export interface ExecResult {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit: ProcessExit;
  readonly durationMs: number;
  readonly timedOut: boolean;
  /** Something was left out of the streams because it did not fit. */
  readonly truncated: boolean;
}

/**
 * Runs a command to its end. When its time is up, it and everything it started is ended (TERM, then KILL), and what it had
 * printed is returned with a mark. When `signal` aborts, likewise, and the signal's reason is thrown.
 *
 * @throws WrennError `guest_unreachable` when a command whose time is up does not end; what `processes.start` throws.
 */
export async function runForeground(
  processes: CapsuleProcesses,
  request: ExecRequest,
  clock: Clock,
  signal: AbortSignal,
  times: EndTimes = endTimes,
): Promise<ExecResult> {
  const startedAt = clock.monotonic();
  const process = await asPhase("guest", () =>
    startProcess(
      processes,
      {
        cmd: request.cmd,
        args: request.args,
        envs: request.envs,
        ...defined({ cwd: request.cwd, user: request.user, limits: request.limits }),
        stdin: false,
        output: "attached",
      },
      signal,
    ),
  );
  let timedOut = false;
  const over = new AbortController();
  const stuck = new AbortController();
  const giveUp = async (): Promise<void> => {
    await endTree(process, times).catch(() => {});
    await clock.sleep(times.exitMs, over.signal);
    stuck.abort(new WrennError("guest_unreachable", { problem: "a command that was killed does not end" }));
  };
  const timer = setTimeout(() => {
    timedOut = true;
    // Rejects when the command ends after all.
    giveUp().catch(() => {});
  }, request.timeoutSec * 1000);
  try {
    const { stdout, stderr, exit, truncated } = await collect(
      process,
      AbortSignal.any([signal, stuck.signal]),
      { limit: request.outputBytes ?? OUTPUT_LIMIT, work: request.work },
    );
    return {
      stdout,
      stderr,
      exit,
      truncated,
      timedOut,
      durationMs: Math.round(clock.monotonic() - startedAt),
    };
  } catch (error) {
    endTree(process, times).catch(() => {});
    throw error;
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** Ends a process and all it started: TERM, and KILL when that is not enough. */
export async function endTree(process: CapsuleProcess, times: EndTimes = endTimes): Promise<void> {
  const gentle = AbortSignal.timeout(times.killAfterMs);
  try {
    await process.kill(SIGTERM, "tree", gentle);
    await process.wait(gentle);
  } catch {
    // Not yet ended; the second signal cannot be ignored.
  }
  // Also when the process itself is gone: what it started may still be there.
  await process.kill(SIGKILL, "tree", AbortSignal.timeout(times.killMs));
}

async function collect(
  process: CapsuleProcess,
  signal: AbortSignal,
  options: CollectedOutputOptions,
): Promise<Pick<ExecResult, "stdout" | "stderr" | "exit" | "truncated">> {
  const output = new CollectedOutput(options);
  const phases = currentPhases();
  phases?.begin("first_byte");
  let isWaiting = true;
  for await (const event of process.output("oldest", signal)) {
    if (isWaiting) phases?.begin("run");
    isWaiting = false;
    output.take(event);
    if (event.type !== "exit") continue;
    phases?.end();
    return {
      stdout: output.whole("stdout"),
      stderr: output.whole("stderr"),
      exit: event.exit,
      truncated: output.isTruncated,
    };
  }
  throw new Error("the output ended without an exit");
}
