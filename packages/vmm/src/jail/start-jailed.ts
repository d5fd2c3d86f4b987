import { spawn } from "node:child_process";
import { WrennError } from "@wrenn/core";
import { hasCode } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

/** One program in a jail of its own; what each part means stands in native/jail/src/options.h. */
export interface JailedProgram {
  readonly jail: string;
  readonly directory: string;
  readonly uid: number;
  readonly gid: number;
  readonly cgroups: readonly string[];
  readonly namespace?: string;
  readonly readable: readonly string[];
  readonly libraries: readonly string[];
  readonly writable: readonly string[];
  readonly devices: readonly string[];
  /** No file grows beyond this by writes of the program. */
  readonly fileMib: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly program: readonly string[];
}

const MESSAGE_LIMIT = 4096;

/**
 * Starts the program and returns when it has been executed. It is detached: it outlives this process.
 *
 * @throws WrennError `machine_start_failed` with the jail's own words; nothing runs then.
 */
export async function startJailed(request: JailedProgram, signal: AbortSignal): Promise<ProcessIdentity> {
  signal.throwIfAborted();
  const child = spawn(request.jail, jailArguments(request), {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: {},
  });
  let output = "";
  let problem = "";
  child.stdout
    .setEncoding("utf8")
    .on("data", (text: string) => (output = (output + text).slice(0, MESSAGE_LIMIT)));
  child.stderr
    .setEncoding("utf8")
    .on("data", (text: string) => (problem = (problem + text).slice(0, MESSAGE_LIMIT)));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.once("error", reject);
  // The jail closes its output once the program runs, or when it ends because it could not be run.
  child.stdout.once("close", resolve);
  const abort = (): void => void child.kill("SIGKILL");
  signal.addEventListener("abort", abort, { once: true });
  try {
    await promise;
  } catch (error) {
    if (hasCode(error, "ENOENT")) throw new WrennError("dependency_missing", { what: request.jail });
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
  child.unref();
  signal.throwIfAborted();
  if (output === "")
    throw new WrennError("machine_start_failed", {
      problem: problem.trim() || "the jail ended without a word",
    });
  return JSON.parse(output) as ProcessIdentity;
}

function jailArguments(request: JailedProgram): string[] {
  const each = (name: string, values: readonly string[]): string[] =>
    values.flatMap((value) => [name, value]);
  return [
    "--run",
    request.directory,
    "--uid",
    String(request.uid),
    "--gid",
    String(request.gid),
    ...each("--cgroup", request.cgroups),
    ...(request.namespace === undefined ? [] : ["--netns", request.namespace]),
    ...each("--read", request.readable),
    ...each("--library", request.libraries),
    ...each("--write", request.writable),
    ...each("--device", request.devices),
    "--file-mib",
    String(request.fileMib),
    ...each(
      "--env",
      Object.entries(request.environment).map(([name, value]) => `${name}=${value}`),
    ),
    "--",
    ...request.program,
  ];
}
