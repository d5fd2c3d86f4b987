import type { CapsuleProcess, OutputOffsets } from "@wrenn/protocol";

const BEHIND_ALL = { stdout: Number.MAX_SAFE_INTEGER, stderr: Number.MAX_SAFE_INTEGER };

/** Offsets behind the output that a process has printed so far: where the present begins for a client that connects. */
export async function outputEnd(process: CapsuleProcess, signal: AbortSignal): Promise<OutputOffsets> {
  const { stdout, stderr } = await process.held(BEHIND_ALL, signal);
  return { stdout: stdout.offset, stderr: stderr.offset };
}
