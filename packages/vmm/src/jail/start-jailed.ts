import { WrennError } from "@wrenn/core";
import type { ProcessIdentity, RunProgram } from "@wrenn/system";

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

/**
 * Starts the program and returns when it has been executed. It is detached: it outlives this process.
 *
 * @throws WrennError `machine_start_failed` with the jail's own words; nothing runs then.
 */
export async function startJailed(
  request: JailedProgram,
  run: RunProgram,
  signal: AbortSignal,
): Promise<ProcessIdentity> {
  // The jail closes its output once the program runs, or when it ends because it could not be run.
  const { stdout, stderr } = await run([request.jail, ...jailArguments(request)], {
    untilOutputEnds: true,
    env: {},
    signal,
  });
  if (stdout === "")
    throw new WrennError("machine_start_failed", {
      problem: stderr.trim() || "the jail ended without a word",
    });
  return JSON.parse(stdout) as ProcessIdentity;
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
