import type { CommandBytesResult } from "@wrenn/sdk";

/** Bytes of each stream that a result keeps under `--json`. */
export const RESULT_BYTES = 32 << 20;

/** A program's result as the document of `--json`. What is not text is base64. */
export function describeResult(result: CommandBytesResult, isTimedOut: boolean): object {
  const { exitCode, signal, durationMs, droppedBytes, truncatedBytes } = result;
  const [stdout, stderr] = [textOrBase64(result.stdoutBytes), textOrBase64(result.stderrBytes)];
  return {
    exitCode,
    signal: signal ?? null,
    timedOut: isTimedOut,
    durationMs,
    stdout: stdout.text,
    stdoutEncoding: stdout.encoding,
    stderr: stderr.text,
    stderrEncoding: stderr.encoding,
    droppedBytes,
    truncatedBytes,
  };
}

interface Encoded {
  readonly text: string;
  readonly encoding: "utf-8" | "base64";
}

function textOrBase64(bytes: Uint8Array): Encoded {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, encoding: "utf-8" };
  } catch {
    return { text: Buffer.from(bytes).toString("base64"), encoding: "base64" };
  }
}
