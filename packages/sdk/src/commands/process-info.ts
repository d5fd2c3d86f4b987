import { fromBase64 } from "./base64.ts";
import { exitOf } from "./follow-output.ts";
import type { CommandExit } from "./output-events.ts";
import { utf8 } from "./output-text.ts";
import type { ListedProcess, ProcessAnswer, ProcessLogsAnswer } from "./wire.ts";

/** A live process that was started through the API. */
export interface ProcessInfo {
  readonly pid: number;
  /** What its starter, or the server, named it. */
  readonly tag?: string;
  readonly cmd: string;
  readonly args: readonly string[];
  readonly isTerminal: boolean;
}

/** A process that lives, or that ended lately. */
export interface ProcessDetails extends ProcessInfo {
  readonly startedAt: Date;
  /** Absent while it lives. */
  readonly exit?: CommandExit;
}

/** Output of one stream. */
export interface LogPiece {
  /** As text. What is not UTF-8 is U+FFFD. */
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Place of the first byte. Later than asked when bytes were dropped. */
  readonly offset: number;
  /** Place behind the last byte. A character that is not finished is left for the next call. */
  readonly next: number;
}

/** What is kept of the output of a process. */
export interface ProcessLogs {
  readonly stdout: LogPiece;
  readonly stderr: LogPiece;
  /** Absent while it lives. With it, `next` is the end of the output. */
  readonly exit?: CommandExit;
}

export function processInfo({ pid, tag, cmd, args = [], terminal }: ListedProcess): ProcessInfo {
  return { pid, ...(tag === undefined ? {} : { tag }), cmd, args, isTerminal: terminal };
}

export function processDetails(answer: ProcessAnswer): ProcessDetails {
  const { started_at: startedAt, exit } = answer;
  return {
    ...processInfo(answer),
    startedAt: new Date(startedAt),
    ...(exit ? { exit: exitOf(exit) } : {}),
  };
}

export function processLogs({ stdout, stderr, exit }: ProcessLogsAnswer): ProcessLogs {
  return { stdout: logPiece(stdout), stderr: logPiece(stderr), ...(exit ? { exit: exitOf(exit) } : {}) };
}

function logPiece({ data, encoding, offset, next }: ProcessLogsAnswer["stdout"]): LogPiece {
  if (encoding !== "base64") return { text: data, bytes: new TextEncoder().encode(data), offset, next };
  const bytes = fromBase64(data);
  return { text: utf8().decode(bytes), bytes, offset, next };
}
