import type { CapsuleProcess, OutputStart, ProcessExit, StartRequest } from "@wrenn/protocol";
import type { GuestLink } from "@wrenn/guest";

export interface Collected {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly exit: ProcessExit | undefined;
  /** Ranges that the reader was told are lost. */
  readonly dropped: readonly string[];
}

/** Reads a process's output to its end. */
export async function collect(process: CapsuleProcess, from: OutputStart = "oldest"): Promise<Collected> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  const dropped: string[] = [];
  let exit: ProcessExit | undefined;
  for await (const event of process.output(from, AbortSignal.timeout(60_000))) {
    if (event.type === "data") parts[event.stream].push(event.bytes);
    if (event.type === "dropped") dropped.push(`${event.stream} ${event.from}-${event.to}`);
    if (event.type === "exit") exit = event.exit;
  }
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr), exit, dropped };
}

/** A start request with the defaults of a foreground command. */
export function request(
  cmd: string,
  args: readonly string[] = [],
  more: Partial<StartRequest> = {},
): StartRequest {
  return { cmd, args, envs: {}, stdin: false, output: "attached", ...more };
}

/** Runs a shell line to its end. */
export async function shell(
  link: GuestLink,
  line: string,
  more: Partial<StartRequest> = {},
): Promise<Collected> {
  return await collect(
    await link.processes.start(request("sh", ["-c", line], more), AbortSignal.timeout(10_000)),
  );
}
