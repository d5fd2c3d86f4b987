import { once } from "node:events";
import { ProgressDisplay } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";
import { findEndpoint } from "./local-server.ts";
import type { Endpoint } from "./local-server.ts";

/**
 * Runs `task` against the server of this machine; without one a server is started for the duration of the task.
 *
 * @param signal - aborts the start of the server.
 */
export async function withEndpoint<T>(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  task: (endpoint: Endpoint, ownServer: boolean) => Promise<T>,
): Promise<T> {
  const endpoint = await findEndpoint(env);
  if (endpoint) return await task(endpoint, false);
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const server = await startServer({
    config: readConfig(env, "127.0.0.1:0"),
    logger: createLog("text", "error"),
    progress: progress.update,
    signal,
  });
  progress.done();
  try {
    return await task({ url: server.url, apiKey: server.apiKey }, true);
  } finally {
    // Other capsules of this machine may have been started with it; they are kept without machines.
    await server.close("pause");
  }
}

/** Resolves when the process is asked to end. */
export async function untilInterrupted(): Promise<void> {
  await Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
}
