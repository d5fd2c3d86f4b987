import { WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";

/**
 * Programs that users start first. Running them once brings their pages into the frozen memory, so that no capsule
 * reads them from disk again.
 */
const programs: readonly (readonly [string, ...string[]])[] = [
  ["true"],
  ["sh", "-c", "true"],
  ["bash", "-lc", "ls / >/dev/null; cat /etc/os-release >/dev/null; id >/dev/null"],
  ["python3", "-c", "import json, os, subprocess, sys, urllib.request; print(6 * 7)"],
  ["git", "--version"],
  ["curl", "--version"],
];

/** Those that only some templates have. */
const others: typeof programs = [["node", "--eval", "console.log(6 * 7)"]];
/** Exit code where there is no such program. */
const NOT_FOUND = 127;

/** @throws WrennError `operation_failed` when a program that the template promises does not work. */
export async function warmUp(guest: GuestLink, signal: AbortSignal): Promise<void> {
  for (const program of [...programs, ...others]) {
    const [cmd, ...args] = program;
    const process = await guest.processes.start(
      { cmd, args, envs: {}, stdin: false, output: "detached" },
      signal,
    );
    const exit = await process.wait(signal);
    if (exit.exitCode === NOT_FOUND && others.includes(program)) continue;
    if (exit.exitCode !== 0) {
      throw new WrennError("operation_failed", {
        operation: `warming up with ${cmd}`,
        problem: `exit code ${exit.exitCode}`,
      });
    }
  }
  // Capsules would list them as their own after a restart of the host agent.
  await guest.forgetProcesses(signal);
}
