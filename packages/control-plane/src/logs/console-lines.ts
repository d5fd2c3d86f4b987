import type { ConsoleLog } from "@wrenn/protocol";

/** A longer line is cut; its parts are lines of their own. */
const LINE_BYTES = 4096;
const LINE_END = 10;
const RETURN = 13;
/** Printed by the kernel of the guest when it ends a process for want of memory. */
const OUT_OF_MEMORY = /\bout of memory: Killed process (\d+) \(([^)]{0,32})\)/i;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** A line of a console, or a part of one. */
export interface ConsoleLine {
  /** Milliseconds since the Unix epoch when its first byte was read. */
  readonly at: number;
  readonly offset: number;
  /** Offset behind it and its line end. */
  readonly end: number;
  /** As text: what is not UTF-8 and control characters are U+FFFD. */
  readonly message: string;
  /** The exact bytes in base64, where the text differs from them. */
  readonly raw?: string;
  /** Its end has not been written yet, or it was cut. */
  readonly isPartial: boolean;
  /** Bytes before it are lost. */
  readonly gap: boolean;
  readonly isOutOfMemory: boolean;
}

/** Lines of what a console wrote. The last one, without an end, is a line when `isWhole` says that no more of it is waited for. */
export function consoleLines(
  log: ConsoleLog,
  from: number,
  isWhole: (at: number) => boolean,
): readonly ConsoleLine[] {
  const lines: ConsoleLine[] = [];
  let begun:
    | { readonly at: number; readonly offset: number; readonly gap: boolean; bytes: Buffer }
    | undefined;
  let position = from;
  const finish = (end: number, isPartial: boolean): void => {
    if (begun) lines.push(lineOf(begun, end, isPartial));
    begun = undefined;
  };
  for (const piece of log.pieces) {
    const gap = piece.gap || piece.offset > position;
    // What follows a gap is no continuation.
    if (gap) finish(position, true);
    position = piece.offset;
    const bytes = Buffer.from(piece.bytes.buffer, piece.bytes.byteOffset, piece.bytes.length);
    for (let at = 0; at < bytes.length;) {
      begun ??= { at: piece.at, offset: piece.offset + at, gap: gap && at === 0, bytes: Buffer.alloc(0) };
      const room = LINE_BYTES - begun.bytes.length;
      const found = bytes.indexOf(LINE_END, at);
      const stop = Math.min(found === -1 ? bytes.length : found, at + room);
      begun.bytes = Buffer.concat([begun.bytes, bytes.subarray(at, stop)]);
      at = stop === found ? stop + 1 : stop;
      if (stop === found) finish(piece.offset + at, false);
      else if (begun.bytes.length >= LINE_BYTES) finish(piece.offset + at, true);
    }
    position = piece.offset + bytes.length;
  }
  if (begun && isWhole(begun.at)) finish(position, true);
  return lines;
}

function lineOf(
  {
    at,
    offset,
    gap,
    bytes,
  }: { readonly at: number; readonly offset: number; readonly gap: boolean; readonly bytes: Buffer },
  end: number,
  isPartial: boolean,
): ConsoleLine {
  // Terminals end lines with both.
  const text = !isPartial && bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes;
  const message = lenient.decode(text).replaceAll(/[^\P{Cc}\t]/gu, "\u{fffd}");
  const isExact = isText(text) && message === strict.decode(text);
  return {
    at,
    offset,
    end,
    message,
    ...(isExact ? {} : { raw: text.toString("base64") }),
    isPartial,
    gap,
    isOutOfMemory: OUT_OF_MEMORY.test(message),
  };
}

function isText(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
