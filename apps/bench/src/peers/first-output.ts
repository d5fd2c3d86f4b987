import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { hasCode } from "@wrenn/system";
import type { RawData } from "ws";
import { openStream } from "../capsule.ts";
import type { ApiContext } from "../row.ts";

/** A program that has printed something. It may run on. */
export interface PrintingProgram {
  /** Milliseconds from its start to its first output. */
  readonly ms: number;
  readonly child: ChildProcessWithoutNullStreams;
  /** Its exit code, when it has exited; null where a signal ended it. */
  readonly exit: Promise<number | null>;
}

/**
 * Starts a program and waits for the first byte that it prints. Its standard input stays open.
 *
 * @throws Error where it exits without output, with the last line of its standard error; the reason of `signal`, when the program was killed.
 */
export async function untilOutput(argv: readonly string[], signal: AbortSignal): Promise<PrintingProgram> {
  const begunAt = performance.now();
  const { child, exit, complaint } = begin(argv, signal);
  const ms = await Promise.race([
    once(child.stdout, "data").then(() => performance.now() - begunAt),
    exit.then(() => undefined),
  ]);
  signal.throwIfAborted();
  if (ms === undefined) throw new Error(`${argv.join(" ")} printed nothing: ${complaint()}`);
  child.stdout.resume();
  return { ms, child, exit };
}

/**
 * Runs a program to its end.
 *
 * @param inputFile - what it reads.
 * @returns milliseconds, and how many bytes it printed.
 * @throws Error for an exit code other than 0, with the last line of its standard error.
 */
export async function untilEnd(
  argv: readonly string[],
  signal: AbortSignal,
  inputFile?: string,
): Promise<{ readonly ms: number; readonly bytes: number }> {
  const begunAt = performance.now();
  const { child, exit, complaint } = begin(argv, signal);
  let bytes = 0;
  child.stdout.on("data", (piece: Buffer) => (bytes += piece.length));
  if (inputFile === undefined) child.stdin.end();
  // A program that exits early closes the pipe: its exit code is reported.
  else await pipeline(createReadStream(inputFile), child.stdin).catch(() => {});
  const code = await exit;
  signal.throwIfAborted();
  if (code !== 0) throw new Error(`${argv.join(" ")}: ${complaint() || `exit code ${String(code)}`}`);
  return { ms: performance.now() - begunAt, bytes };
}

function begin([program = "", ...args]: readonly string[], signal: AbortSignal) {
  signal.throwIfAborted();
  const child = spawn(program, args);
  const kill = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(-10_000);
  });
  child.stdin.on("error", () => {});
  const { promise: exit, resolve } = Promise.withResolvers<number | null>();
  child.once("error", (error) => {
    complaint = hasCode(error, "ENOENT") ? `${program} is not installed` : error.message;
    resolve(null);
  });
  child.once("close", (code) => {
    signal.removeEventListener("abort", kill);
    resolve(code);
  });
  return { child, exit, complaint: () => complaint.trim().split("\n").at(-1) ?? "" };
}

/**
 * Runs `echo ready` in a capsule until its output arrives.
 *
 * @throws Error where the stream ends without output, with its last message.
 */
export async function untilCapsulePrints(context: ApiContext, id: string): Promise<void> {
  const socket = await openStream(context, `/v1/capsules/${id}/exec/stream`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "echo ready"],
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let last = "none";
  socket.on("message", (data: RawData) => {
    last = (data as Buffer).toString();
    if ((JSON.parse(last) as { readonly type: string }).type === "stdout") resolve();
  });
  socket.on("error", reject);
  socket.on("close", () => reject(new Error(`the command printed nothing; last message: ${last}`)));
  await promise;
  // The next measurement begins when this command has ended.
  if (socket.readyState !== socket.CLOSED) await once(socket, "close");
}
