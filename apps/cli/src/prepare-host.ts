import { problemOf } from "@wrenn/core";
import { buildDashboard, buildNative, installMissing, packClients } from "@wrenn/host-setup";
import { ProgressDisplay } from "./output/progress.ts";
import { projectRoot } from "./project-root.ts";

export interface PrepareOptions {
  readonly forTests?: boolean;
  readonly forLongTests?: boolean;
  /** Whether the packages that the server offers to client machines are made, too. */
  readonly packsClients?: boolean;
  /** Whether the dashboard is built, too. */
  readonly buildsDashboard?: boolean;
}

export interface PreparedHost {
  /** Whether the dashboard was built from the present sources. */
  readonly hasDashboard: boolean;
}

/** Installs missing Debian packages and builds the native parts; quick when there is nothing to do. */
export async function prepareHost({
  packsClients = false,
  buildsDashboard = false,
  ...options
}: PrepareOptions = {}): Promise<PreparedHost> {
  const display = new ProgressDisplay(process.stderr);
  const { signal } = new AbortController();
  const build = { projectRoot, progress: display.update, signal };
  await installMissing({ progress: display.update, signal, ...options });
  await buildNative(build);
  // A server without these is still a server; their pages explain themselves.
  const failures: string[] = [];
  const attempt = async (step: Promise<unknown>, without: string): Promise<boolean> => {
    try {
      await step;
      return true;
    } catch (error) {
      failures.push(`${without}: ${problemOf(error)}`);
      return false;
    }
  };
  if (packsClients) await attempt(packClients(build), "nothing to install at /download");
  const hasDashboard = buildsDashboard && (await attempt(buildDashboard(build), "no dashboard"));
  display.done();
  for (const failure of failures) process.stderr.write(`wrenn: ${failure}\n`);
  return { hasDashboard };
}
