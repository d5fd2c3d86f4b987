import { flushCompileCache } from "node:module";
import { bundleBeside } from "../bundle/bundle-beside.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { untilInterrupted } from "../until-interrupted.ts";
import { refreshBeside } from "../refresh-beside.ts";
import { prepareHost } from "../prepare-host.ts";

export interface HostJoinOptions {
  readonly url?: string;
  readonly token?: string;
  readonly listen: string;
  readonly advertise?: string;
  readonly log: string;
}

/**
 * Runs the host agent of this machine for control planes on others, until interrupted or until the host is deleted.
 *
 * @param isBundled - whether this code is a bundle; otherwise one is made for the next start.
 */
export async function hostJoin(options: HostJoinOptions, isBundled: boolean): Promise<void> {
  await prepareHost();
  const { createLog, readConfig, startJoinedHost } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const interrupted = untilInterrupted().then(() => stopping.abort());
  const logger = createLog(
    options.log === "json" ? "json" : "text",
    process.env["WRENN_LOG_LEVEL"] ?? "info",
  );
  const host = await startJoinedHost({
    config: readConfig(process.env, options.listen),
    join: {
      url: options.url,
      token: options.token ?? process.env["WRENN_HOST_TOKEN"],
      advertise: options.advertise,
    },
    logger,
    progress: progress.update,
    signal: stopping.signal,
    refreshTemplate: refreshBeside,
  });
  progress.done();
  process.stdout.write(
    `\n  Joined as ${host.hostId}; control planes reach this machine at ${host.address}\n\n`,
  );
  // Also for a host agent that is killed later.
  flushCompileCache();
  using _bundling = isBundled ? undefined : bundleBeside(logger);
  const end = await Promise.race([interrupted.then(() => "stopped"), host.deleted.then(() => "deleted")]);
  process.stderr.write(
    end === "deleted"
      ? "\nwrenn: the host was deleted; its capsules are destroyed\n"
      : "\nwrenn: stopping; running capsules are paused\n",
  );
  await host.close(end === "deleted" ? "destroy" : "pause");
}
