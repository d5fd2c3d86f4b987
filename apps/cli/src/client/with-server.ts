import { ProgressDisplay } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";
import type { Endpoint } from "./local-server.ts";

/**
 * Runs `task` with a server that is started for it.
 *
 * @param signal - aborts the start of the server.
 */
export async function withServer(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
  task: (endpoint: Endpoint) => Promise<void>,
): Promise<void> {
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const server = await startServer({
    // It serves one command: nothing is prepared for the next one.
    config: { ...readConfig(env, "127.0.0.1:0"), warmMachines: 0, parkedMachines: 0 },
    logger: createLog("text", "error"),
    progress: progress.update,
    signal,
  });
  progress.done();
  try {
    await task({ url: server.url, apiKey: server.apiKey });
  } finally {
    // Other capsules of this machine may have been started with it; they are kept without machines.
    await server.close("pause");
  }
}
