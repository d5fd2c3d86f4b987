import { defined } from "@wrenn/core";
import type { HeldOutput, OutputOffsets, ProcessExit, ProcessFacts } from "@wrenn/protocol";
import { Type } from "typebox";
import { Exit, exitJson } from "../http/exit-json.ts";
import { unfinishedBytes } from "./text-pieces.ts";

export const ProcessFactsAnswer = Type.Object({
  pid: Type.Integer(),
  tag: Type.Optional(Type.String()),
  cmd: Type.String(),
  args: Type.Array(Type.String()),
  terminal: Type.Boolean(),
  started_at: Type.String({ description: "RFC 3339, UTC" }),
  timeout_sec: Type.Optional(Type.Number({ description: "The time limit that it was started with" })),
  input_offset: Type.Optional(
    Type.Integer({ description: "Bytes of standard input that were taken; absent without an input" }),
  ),
  exit: Type.Optional(Exit),
});

export function processFacts(facts: ProcessFacts) {
  const { pid, tag, cmd, args, terminal, startedAt, timeoutMs, inputOffset, exit } = facts;
  return {
    pid,
    ...defined({ tag }),
    cmd,
    args: [...args],
    terminal,
    started_at: new Date(startedAt).toISOString(),
    ...defined({
      timeout_sec: timeoutMs === undefined ? undefined : timeoutMs / 1000,
      input_offset: inputOffset,
      exit: exit && exitJson(exit),
    }),
  };
}

const Piece = Type.Object({
  data: Type.String(),
  encoding: Type.String({ description: "utf-8, or base64 when the bytes are no text" }),
  offset: Type.Integer(),
  next: Type.Integer(),
});

export const ProcessLogsAnswer = Type.Object({ stdout: Piece, stderr: Piece, exit: Type.Optional(Exit) });

/** What is held of both streams from the offsets `asked`; with an exit there is no more. */
export function processLogs(held: HeldOutput, asked: OutputOffsets, exit: ProcessExit | undefined) {
  const isEnded = exit !== undefined;
  return {
    stdout: piece(held.stdout, asked.stdout, isEnded),
    stderr: piece(held.stderr, asked.stderr, isEnded),
    ...defined({ exit: exit && exitJson(exit) }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A character that is not printed as a whole yet is left for the next piece, unless nothing follows. The rest of a character
 * whose first bytes were dropped is left out, too.
 */
function piece({ offset, bytes }: HeldOutput["stdout"], asked: number, isEnded: boolean) {
  const start = offset > asked ? continuationBytes(bytes) : 0;
  const end = bytes.length - (isEnded ? 0 : unfinishedBytes(bytes));
  try {
    return {
      data: utf8.decode(bytes.subarray(start, Math.max(start, end))),
      encoding: "utf-8",
      offset: offset + start,
      next: offset + Math.max(start, end),
    };
  } catch {
    return {
      data: Buffer.from(bytes.subarray(0, end)).toString("base64"),
      encoding: "base64",
      offset,
      next: offset + end,
    };
  }
}

function continuationBytes(bytes: Uint8Array): number {
  let count = 0;
  while (count < 3 && count < bytes.length && ((bytes[count] ?? 0) & 0xc0) === 0x80) count++;
  return count;
}
