import { flushCompileCache } from "node:module";
import { untilInterrupted } from "../until-interrupted.ts";
import type { ListenFlags } from "@wrenn/server";
import { buildBeside } from "../build-beside.ts";
import { bundleBeside } from "../bundle/bundle-beside.ts";
import { greeting } from "../output/greeting.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { refreshBeside } from "../refresh-beside.ts";
import { prepareHost } from "../prepare-host.ts";

/** Where HTTPS is served when no address is given with it. */
const TLS_ADDRESS = "127.0.0.1:8443";

export interface UpOptions extends Omit<ListenFlags, "tls"> {
  /** False neither builds nor serves the dashboard. */
  readonly dashboard: boolean;
  /** Keeps a key for clients of E2B. */
  readonly e2b?: boolean;
  readonly listen?: string;
  readonly log: string;
  readonly tls?: string | true;
  /** False for a control plane without a host of its own. */
  readonly host: boolean;
}

/**
 * Installs and builds what is missing, then serves until interrupted.
 *
 * @param isBundled - whether this code is a bundle; otherwise one is made for the next start.
 */
export async function up(options: UpOptions, isBundled: boolean): Promise<void> {
  // Loading takes the CPU, and preparing waits for other programs and the disk.
  const [{ createLog, readConfig, startControlPlane, startServer, withFlags }, { hasDashboard }] =
    await Promise.all([
      import("@wrenn/server"),
      prepareHost({ packsClients: true, buildsDashboard: options.dashboard }),
    ]);
  const startedAt = performance.now();
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const interrupted = untilInterrupted().then(() => stopping.abort());
  const logger = createLog(
    options.log === "json" ? "json" : "text",
    process.env["WRENN_LOG_LEVEL"] ?? "info",
  );
  const server = await (options.host ? startServer : startControlPlane)({
    config: withFlags(readConfig(process.env, options.listen), flagsOf(options)),
    logger,
    progress: progress.update,
    signal: stopping.signal,
    servesDashboard: hasDashboard,
    keepsE2bKey: options.e2b === true,
    refreshTemplate: refreshBeside,
    buildBuiltIn: buildBeside,
  });
  progress.done();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(
    greeting(server, {
      seconds,
      isTerminal: process.stdout.isTTY,
      hasDashboard,
      isForE2b: options.e2b === true,
    }),
  );
  // Also for a server that is killed later; it is quick when all modules are in the cache.
  flushCompileCache();
  using _bundling = isBundled ? undefined : bundleBeside(logger);
  await interrupted;
  process.stderr.write(`\nwrenn: stopping${options.host ? "; running capsules are paused" : ""}\n`);
  await server.close("pause");
}

function flagsOf({ tls, host: _host, dashboard: _dashboard, e2b: _e2b, ...flags }: UpOptions): ListenFlags {
  return tls === undefined ? flags : { ...flags, tls: tls === true ? TLS_ADDRESS : tls };
}
