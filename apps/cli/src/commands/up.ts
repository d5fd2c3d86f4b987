import { untilInterrupted } from "../client/with-endpoint.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";

/** Installs and builds what is missing, then serves until interrupted. */
export async function up(options: { readonly listen: string; readonly log: string }): Promise<void> {
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const startedAt = performance.now();
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const interrupted = untilInterrupted().then(() => stopping.abort());
  const server = await startServer({
    config: readConfig(process.env, options.listen),
    logger: createLog(options.log === "json" ? "json" : "text", process.env["WRENN_LOG_LEVEL"] ?? "info"),
    progress: progress.update,
    signal: stopping.signal,
  });
  progress.done();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(greeting(server.url, server.apiKey, seconds));
  await interrupted;
  process.stderr.write("\nwrenn: stopping; running capsules are paused\n");
  await server.close("pause");
}

function greeting(url: string, apiKey: string, seconds: string): string {
  const header = `-H 'X-API-Key: ${apiKey}'`;
  return [
    "",
    `  Wrenn is ready after ${seconds} s`,
    "",
    `  URL      ${url}     (API reference: ${url}/docs)`,
    `  API key  ${apiKey}`,
    "",
    "  Try, in another terminal:",
    "    ./wrenn run -- python3 -c 'print(6*7)'",
    `    curl -s ${url}/v1/capsules -X POST ${header} -H 'Content-Type: application/json' -d '{}'`,
    `    curl -s ${url}/v1/capsules ${header}`,
    "",
    "  Ctrl-C stops the server.",
    "",
    "",
  ].join("\n");
}
