import { withDeadline } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses } from "@wrenn/protocol";

const START_MS = 30_000;

/** Starts a process; a guest that does not answer is given up. @throws WrennError `deadline_exceeded`. */
export async function startProcess(
  processes: CapsuleProcesses,
  spec: Parameters<CapsuleProcesses["start"]>[0],
  signal?: AbortSignal,
): Promise<CapsuleProcess> {
  return await withDeadline("starting the command", START_MS, signal, (inner) =>
    processes.start(spec, inner),
  );
}
