import { withDeadline, WrennError } from "@wrenn/core";
import type { CapsuleProcesses } from "@wrenn/protocol";

const MOST_BYTES = 4 << 20;
const READ_MS = 30_000;

/** Which variables to read, and for whose processes. */
export interface EnvironmentQuery {
  readonly user: string;
  readonly names: readonly string[];
}

/** Values of variables that every process starts with: only the sandbox itself and its host have them, so one process prints its own. */
export async function readEnvironment(
  processes: CapsuleProcesses,
  { user, names }: EnvironmentQuery,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  if (names.length === 0) return {};
  const wanted = new Set(names);
  const text = await withDeadline("reading the environment", READ_MS, signal, async (inner) =>
    printed(processes, user, inner),
  );
  const found = text.split("\0").flatMap((line) => {
    const at = line.indexOf("=");
    return at > 0 && wanted.has(line.slice(0, at)) ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
  });
  return Object.fromEntries(found);
}

async function printed(processes: CapsuleProcesses, user: string, signal: AbortSignal): Promise<string> {
  const process = await processes.start(
    {
      cmd: "/usr/bin/env",
      args: ["--null"],
      envs: {},
      user,
      cwd: "/",
      stdin: false,
      output: "attached",
      timeoutMs: READ_MS,
    },
    signal,
  );
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const event of process.output("oldest", signal)) {
    if (event.type !== "data" || event.stream !== "stdout") continue;
    parts.push(event.bytes);
    size += event.bytes.length;
    if (size > MOST_BYTES)
      throw new WrennError("operation_failed", {
        operation: "reading the environment",
        problem: `it is larger than ${MOST_BYTES} bytes`,
      });
  }
  return Buffer.concat(parts).toString();
}
