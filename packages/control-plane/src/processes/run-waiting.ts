import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, ProcessExit, StartRequest } from "@wrenn/protocol";
import { asPhase } from "../http/current-phases.ts";
import { CollectedOutput } from "./collected-output.ts";
import type { CollectedOutputOptions } from "./collected-output.ts";
import { endTree } from "./run-foreground.ts";
import { startProcess } from "./start-process.ts";

/**
 * A wait ends when this much output was read: so much of it is kept for a client that does not get its answer, which then misses
 * nothing.
 */
const READ_BYTES = 512 << 10;

/** How a host of an earlier version refuses a request with a value that it does not know. */
const SHAPE = /^arguments\//;

/**
 * Starts a process that outlives its request.
 *
 * @throws WrennError `host_outdated` when the host knows no time limits, or no processes that go at the pace of their readers; what
 * `processes.start` throws.
 */
export async function startLasting(
  processes: CapsuleProcesses,
  request: StartRequest,
  signal?: AbortSignal,
): Promise<CapsuleProcess> {
  const outdated = (cause?: unknown): WrennError =>
    new WrennError("host_outdated", { what: "commands with `wait_sec` or a time limit" }, { cause });
  let process: CapsuleProcess;
  try {
    process = await startProcess(processes, request, signal);
  } catch (error) {
    if (WrennError.is(error, "invalid_field") && SHAPE.test(String(error.context["field"])))
      throw outdated(error);
    throw error;
  }
  if (request.timeoutMs === undefined || process.facts.timeoutMs !== undefined) return process;
  await endTree(process).catch(() => undefined);
  throw outdated();
}

export interface WaitedCommand {
  readonly process: CapsuleProcess;
  readonly output: CollectedOutput;
  readonly durationMs: number;
  /** Absent while it runs. */
  readonly exit: ProcessExit | undefined;
}

/**
 * Collects the output of a process until it exits, has printed 512 KiB, or the wait is over. Nothing is lost in between: what was not collected, the exit
 * included, is what a reader from the collected offsets meets.
 *
 * @param waitMs - 0: nothing is collected. @param stop - ends the wait before its time.
 */
export async function waitFor(
  process: CapsuleProcess,
  waitMs: number,
  options: CollectedOutputOptions,
  clock: Clock,
  stop: AbortSignal,
): Promise<WaitedCommand> {
  const startedAt = clock.monotonic();
  const output = new CollectedOutput(options);
  const late = new AbortController();
  const over = AbortSignal.any([late.signal, stop]);
  let exit: ProcessExit | undefined;
  if (waitMs > 0 && !stop.aborted) {
    const timer = setTimeout(() => late.abort(new Error("the wait is over")), waitMs);
    try {
      exit = await asPhase("run", () => collect(process, output, over));
    } catch (error) {
      if (!over.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
  return { process, output, durationMs: Math.round(clock.monotonic() - startedAt), exit };
}

async function collect(
  process: CapsuleProcess,
  output: CollectedOutput,
  signal: AbortSignal,
): Promise<ProcessExit | undefined> {
  for await (const event of process.output("oldest", signal)) {
    if (event.type === "exit") return event.exit;
    output.take(event);
    if (output.next.stdout + output.next.stderr >= READ_BYTES) return undefined;
  }
  throw new Error("the output ended without an exit");
}
