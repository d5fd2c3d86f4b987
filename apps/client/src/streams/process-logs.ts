import { isWrennError, WrennError } from "@wrenn/sdk";
import type { Capsule } from "@wrenn/sdk";
import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../context.ts";
import { lastLines } from "./last-lines.ts";
import { OutputWriter } from "./output-writer.ts";

export interface ProcessLogsOptions {
  /** Tag or process id. */
  readonly selector: string;
  readonly follow: boolean;
  /** Only so many of the last lines that each stream has now. */
  readonly tail: number | undefined;
  /** Bytes are written to a terminal as they are. */
  readonly isRaw: boolean;
}

type Offsets = Readonly<Record<"stdout" | "stderr", number>>;

/** How often a paused capsule is asked whether it runs again, in milliseconds. */
const POLL_MS = 1000;

/** Prints what is kept of the output of a process; with `follow` what it writes until it ends. */
export async function processLogs(
  context: Context,
  reference: string,
  { selector, follow, tail, isRaw }: ProcessLogsOptions,
): Promise<void> {
  const capsule = await context.capsule(reference);
  const { signal } = context;
  const writer = new OutputWriter(context, isRaw);
  const kept = await capsule.commands.logs(selectorOf(selector), { signal });
  for (const stream of ["stdout", "stderr"] as const) {
    const { bytes, offset } = kept[stream];
    if (tail === undefined && offset > 0) writer.dropped(stream, offset);
    writer.write(stream, tail === undefined ? bytes : lastLines(bytes, tail));
  }
  if (kept.exit) writer.exit(kept.exit);
  else if (follow)
    await followProcess(context, capsule, selector, writer, {
      stdout: kept.stdout.next,
      stderr: kept.stderr.next,
    });
  writer.end();
}

/** The output behind the offsets until the process has ended, or its capsule. A pause is waited for. */
async function followProcess(
  context: Context,
  capsule: Capsule,
  selector: string,
  writer: OutputWriter,
  begin: Offsets,
): Promise<void> {
  const { signal } = context;
  let from = begin;
  // A process id may be used again: what is followed after a pause is found by its tag.
  let known = selectorOf(selector);
  for (;;) {
    try {
      const handle = await capsule.commands.connect(known, { from, encoding: "bytes", signal });
      known = handle.tag;
      try {
        for await (const { stream, bytes, droppedBefore } of handle) {
          writer.dropped(stream, droppedBefore);
          writer.write(stream, bytes);
        }
        const { exitCode, signal: endedBy } = await handle.wait({ signal });
        writer.exit(endedBy === undefined ? { exitCode } : { exitCode, signal: endedBy });
        return;
      } finally {
        from = handle.offset;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(await runsAgain(capsule, error, signal))) return;
    }
  }
}

/** Waits until a capsule that does not run runs again; false when it has ended. @throws the error when that was not the cause. */
async function runsAgain(capsule: Capsule, error: unknown, signal: AbortSignal): Promise<boolean> {
  if (!isWrennError(error)) throw error;
  for (let isPaused = false; ; isPaused = true) {
    const status = await statusOf(capsule, signal);
    if (status === undefined || status === "stopped" || status === "error") return false;
    if (status === "running") {
      if (isPaused || error.code === "invalid_state" || error.status === 503) return true;
      throw error;
    }
    await sleep(POLL_MS, undefined, { signal });
  }
}

async function statusOf(capsule: Capsule, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await capsule.info({ signal })).status;
  } catch (error) {
    if (isWrennError(error, "not_found")) return undefined;
    if (error instanceof WrennError && error.isRetryable) return "unknown";
    throw error;
  }
}

function selectorOf(text: string): string | number {
  return /^\d{1,9}$/.test(text) ? Number(text) : text;
}
