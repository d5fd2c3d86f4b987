import { WrennError } from "@wrenn/core";
import type { ProcessIdentity, RunProgram } from "@wrenn/system";
import { jailCommand } from "./jailed-program.ts";
import type { JailedProgram } from "./jailed-program.ts";

/**
 * Executes the program in its jail and returns when it has been executed. It is detached: it outlives this process.
 *
 * @throws WrennError `machine_start_failed` with the jail's own words; nothing runs then.
 */
export async function startJailed(
  request: JailedProgram,
  run: RunProgram,
  signal: AbortSignal,
): Promise<ProcessIdentity> {
  // The jail closes its output once the program runs, or when it ends because it could not be run.
  const { stdout, stderr } = await run(jailCommand(request), { untilOutputEnds: true, env: {}, signal });
  if (stdout === "")
    throw new WrennError("machine_start_failed", {
      problem: stderr.trim() || "the jail ended without a word",
    });
  return JSON.parse(stdout) as ProcessIdentity;
}
