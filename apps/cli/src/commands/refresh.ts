import { createLog, dataPaths, readConfig, refreshTemplate } from "@wrenn/server";
import { findServer } from "@wrenn/system";
import { CommandExit } from "../command-exit.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { refreshReport } from "../output/refresh-report.ts";
import { prepareHost } from "../prepare-host.ts";
import { untilInterrupted } from "../until-interrupted.ts";

/** Of a program that SIGINT ended. */
const INTERRUPTED = 130;

/**
 * Refreshes the built-in template of this machine, or with `check` says what that would change. The exit code is 130 after an
 * interruption, and 0 whether or not something changed.
 *
 * @throws WrennError as `refreshTemplate` does.
 */
export async function refresh(options: { readonly check?: boolean; readonly json?: boolean }): Promise<void> {
  await prepareHost();
  const stopping = new AbortController();
  void untilInterrupted().then(() => stopping.abort(new Error("interrupted")));
  const progress = new ProgressDisplay(process.stderr);
  const config = readConfig(process.env);
  const refreshing = refreshTemplate(
    { logger: createLog("text", "warn"), progress: progress.update },
    { config, checkOnly: options.check === true },
    stopping.signal,
  );
  const result = await refreshing
    .finally(() => progress.done())
    .catch((error: unknown) => {
      if (!stopping.signal.aborted) throw error;
      process.stderr.write("wrenn: interrupted; the template that is there stays in use\n");
      throw new CommandExit(INTERRUPTED);
    });
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
    return;
  }
  const server = await findServer(dataPaths(config.dataDirectory).serverRecord);
  process.stdout.write(refreshReport(result, server?.url));
}
