import { sweepOrphans } from "@wrenn/host-agent";
import { readConfig } from "@wrenn/server";
import { CommandExit } from "../command-exit.ts";

/** Removes, or with `dryRun` names, what nobody on this machine owns; the exit code is 1 when something resists. */
export async function sweep(options: { readonly json?: boolean; readonly dryRun?: boolean }): Promise<void> {
  const swept = await sweepOrphans(readConfig(process.env).cacheDirectory, {
    dryRun: options.dryRun === true,
  });
  if (options.json === true) process.stdout.write(`${JSON.stringify(swept, undefined, 2)}\n`);
  else {
    for (const { outcome, kind, name, reason, problem } of swept)
      process.stdout.write(
        `${outcome} ${kind} ${name}: ${reason}${problem === undefined ? "" : ` (${problem})`}\n`,
      );
    if (swept.length === 0) process.stdout.write("nothing is left that nobody owns\n");
  }
  if (swept.some(({ outcome }) => outcome === "failed")) throw new CommandExit(1);
}
