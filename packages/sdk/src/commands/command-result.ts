import { WrennError } from "../errors/wrenn-error.ts";
import type { CollectedOutput } from "./collected-output.ts";
import type { CommandExit, OutputOffsets } from "./output-events.ts";

/** What a command printed, and how it ended. */
export interface CommandResult {
  /** Standard output as text, without what a callback or an iterator got. What is not UTF-8 is U+FFFD. */
  readonly stdout: string;
  readonly stderr: string;
  /** The program's own, 128 + signal, or 124 when its time was up. */
  readonly exitCode: number;
  /** Number of the signal that ended it. */
  readonly signal?: number;
  readonly durationMs: number;
  /** Bytes that the server did not keep until they were read. */
  readonly droppedBytes: OutputOffsets;
  /** Bytes behind `stdout` and `stderr` that were left out because of `maxOutputBytes`. */
  readonly truncatedBytes: OutputOffsets;
  /** With `encoding: "bytes"`: standard output as it was written. */
  readonly stdoutBytes?: Uint8Array;
  /** With `encoding: "bytes"`: standard error as it was written. */
  readonly stderrBytes?: Uint8Array;
}

/** The result of a command with `encoding: "bytes"`. */
export type CommandBytesResult = CommandResult & Required<Pick<CommandResult, "stdoutBytes" | "stderrBytes">>;

/** Exit code of a command whose time was up. */
const TIMED_OUT_EXIT = 124;
/** That of a command whose end is not known, in the details of an error. */
const UNKNOWN_EXIT = -1;

/** What is known of a command for its result. */
export interface CommandOutcome {
  readonly output: CollectedOutput;
  readonly dropped: OutputOffsets;
  readonly durationMs: number;
  readonly hasBytes: boolean;
}

/** @param exit - undefined where the end of the command is not known. */
export function commandResult(
  exit: CommandExit | undefined,
  isTimedOut: boolean,
  { output, dropped, durationMs, hasBytes }: CommandOutcome,
): CommandResult {
  return {
    stdout: output.text("stdout"),
    stderr: output.text("stderr"),
    exitCode: isTimedOut ? TIMED_OUT_EXIT : (exit?.exitCode ?? UNKNOWN_EXIT),
    ...(exit?.signal === undefined ? {} : { signal: exit.signal }),
    durationMs: Math.round(durationMs),
    droppedBytes: { ...dropped },
    truncatedBytes: output.truncatedBytes,
    ...(hasBytes ? { stdoutBytes: output.bytes("stdout"), stderrBytes: output.bytes("stderr") } : {}),
  };
}

/** The error of a command that was ended because its time was up. */
export function commandTimedOut(
  tag: string,
  timeoutMs: number | undefined,
  result: CommandResult,
): WrennError {
  const limit = timeoutMs === undefined || timeoutMs === 0 ? "its time limit" : `${timeoutMs} ms`;
  return new WrennError({
    code: "command_timed_out",
    message: `command ${tag} did not end within ${limit}, and was ended`,
    remedy: "Allow more time (timeoutMs), or run it in the background.",
    details: { tag, result },
  });
}

/** The error of a command that was to succeed. */
export function commandFailed(tag: string, result: CommandResult): WrennError {
  const { exitCode, signal, stderr } = result;
  const lastLine = stderr.trimEnd().split("\n").at(-1)?.slice(0, 500) ?? "";
  const how = signal === undefined ? `exit code ${exitCode}` : `signal ${signal}`;
  return new WrennError({
    code: "command_failed",
    message: `command ${tag} ended with ${how}${lastLine === "" ? "" : `: ${lastLine}`}`,
    remedy: "See stdout and stderr of the result; without check the result is returned.",
    details: { tag, result },
  });
}

/** Adds what is known of a command to the error that its stream was lost. */
export function commandLost(tag: string, error: WrennError, result: CommandResult): WrennError {
  return new WrennError(
    {
      code: error.code,
      message: `${error.message}. Command ${tag} may still run`,
      remedy: `Follow it with commands.connect('${tag}'), or end it with commands.kill('${tag}').`,
      requestId: error.requestId,
      details: { ...error.details, tag, result },
    },
    { cause: error.cause },
  );
}
