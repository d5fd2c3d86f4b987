import { defined } from "@wrenn/core";
import type { HeldOutput, ProcessExit, ProcessFacts } from "@wrenn/protocol";
import { Type } from "typebox";

const Exit = Type.Object({
  exit_code: Type.Integer({ description: "The program's own, or 128 + signal" }),
  signal: Type.Optional(Type.Integer()),
});

export const ProcessFactsAnswer = Type.Object({
  pid: Type.Integer(),
  tag: Type.Optional(Type.String()),
  cmd: Type.String(),
  args: Type.Array(Type.String()),
  terminal: Type.Boolean(),
  started_at: Type.String({ description: "RFC 3339, UTC" }),
  exit: Type.Optional(Exit),
});

export function processFacts({ pid, tag, cmd, args, terminal, startedAt, exit }: ProcessFacts) {
  return {
    pid,
    ...defined({ tag }),
    cmd,
    args: [...args],
    terminal,
    started_at: new Date(startedAt).toISOString(),
    ...defined({ exit: exit && exitJson(exit) }),
  };
}

const Piece = Type.Object({
  data: Type.String(),
  encoding: Type.String({ description: "utf-8, or base64 when the bytes are no text" }),
  offset: Type.Integer(),
  next: Type.Integer(),
});

export const ProcessLogsAnswer = Type.Object({ stdout: Piece, stderr: Piece, exit: Type.Optional(Exit) });

export function processLogs(held: HeldOutput, exit: ProcessExit | undefined) {
  return {
    stdout: piece(held.stdout),
    stderr: piece(held.stderr),
    ...defined({ exit: exit && exitJson(exit) }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Characters that a dropped or not yet printed byte cuts are left out at the borders, and the offsets say so. */
function piece({ offset, bytes }: HeldOutput["stdout"]) {
  const start = offset === 0 ? 0 : continuationBytes(bytes);
  const end = bytes.length - unfinishedBytes(bytes);
  try {
    return {
      data: utf8.decode(bytes.subarray(start, end)),
      encoding: "utf-8",
      offset: offset + start,
      next: offset + end,
    };
  } catch {
    return {
      data: Buffer.from(bytes).toString("base64"),
      encoding: "base64",
      offset,
      next: offset + bytes.length,
    };
  }
}

function continuationBytes(bytes: Uint8Array): number {
  let count = 0;
  while (count < 3 && count < bytes.length && isContinuation(bytes[count])) count++;
  return count;
}

/** Length of a character at the end whose rest is still to come. */
function unfinishedBytes(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (isContinuation(byte)) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

function exitJson({ exitCode, signal }: ProcessExit) {
  return { exit_code: exitCode, ...defined({ signal }) };
}
