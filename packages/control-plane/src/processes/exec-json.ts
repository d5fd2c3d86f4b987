import { defined } from "@wrenn/core";
import type { ProcessExit } from "@wrenn/protocol";
import { TIMED_OUT_EXIT } from "../http/exit-json.ts";
import type { ExecResult } from "./run-foreground.ts";
import type { WaitedCommand } from "./run-waiting.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** From this size on, text that JSON would make more than twice as long is given as base64. */
const COSTLY_FROM = 1 << 20;

/** Whether much of the output are control characters, each of which JSON writes as six. */
function isCostlyText(...streams: readonly Buffer[]): boolean {
  let [bytes, controls] = [0, 0];
  for (const stream of streams) {
    bytes += stream.length;
    if (stream.length < COSTLY_FROM / 2) continue;
    for (const byte of stream) if (byte < 0x20 && (byte < 0x08 || byte > 0x0d)) controls++;
  }
  return bytes >= COSTLY_FROM && controls * 5 > bytes;
}

/** Both streams as text, or both as base64 when either is no text, or its text would be much longer. */
function streamsJson(stdout: Buffer, stderr: Buffer) {
  try {
    if (isCostlyText(stdout, stderr)) throw new Error("base64 is shorter");
    return { stdout: utf8.decode(stdout), stderr: utf8.decode(stderr), encoding: "utf-8" };
  } catch {
    return { stdout: stdout.toString("base64"), stderr: stderr.toString("base64"), encoding: "base64" };
  }
}

/** The notice that a client without the field `truncated` sees: it begins a line, also behind one that is not finished. */
function truncationNotice(stderr: Buffer, limit: number): Buffer {
  const isLineEnd = stderr.length === 0 || stderr.at(-1) === 0x0a;
  const text = `wrenn: output was left out: it is longer than ${limit} bytes, or memory for it was short\n`;
  return Buffer.from(isLineEnd ? text : `\n${text}`);
}

/** The result of a command in the foreground. @param limit - bytes that were kept of each stream. */
export function foregroundJson(result: ExecResult, limit: number) {
  const { stdout, truncated } = result;
  const stderr = truncated
    ? Buffer.concat([result.stderr, truncationNotice(result.stderr, limit)])
    : result.stderr;
  const { encoding, ...streams } = streamsJson(stdout, stderr);
  return { ...streams, ...endJson(result), encoding };
}

interface End extends Pick<ExecResult, "durationMs" | "timedOut" | "truncated"> {
  readonly exit: ProcessExit;
}

/** How a command ended. */
function endJson({ exit, durationMs, timedOut, truncated }: End) {
  return {
    exit_code: timedOut ? TIMED_OUT_EXIT : exit.exitCode,
    duration_ms: durationMs,
    ...defined({ signal: exit.signal }),
    ...(timedOut ? { timed_out: true } : {}),
    ...(truncated ? { truncated: true } : {}),
  };
}

/** The answer to a command that was waited for: its result with its output, or the output so far and where it continues. */
export function waitedJson({ exit, output, durationMs }: WaitedCommand) {
  const truncated = output.isTruncated;
  if (exit) {
    const timedOut = exit.timedOut === true;
    const { encoding, ...streams } = streamsJson(output.whole("stdout"), output.whole("stderr"));
    const end = endJson({ exit, durationMs, timedOut, truncated });
    return { status: 200, body: { ...streams, ...end, encoding, next: output.next } } as const;
  }
  const [stdout, stderr] = [output.begun("stdout"), output.begun("stderr")];
  return {
    status: 202,
    body: {
      ...streamsJson(stdout.bytes, stderr.bytes),
      next: { stdout: stdout.next, stderr: stderr.next },
      ...(truncated ? { truncated: true } : {}),
    },
  } as const;
}
