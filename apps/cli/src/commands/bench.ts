import { writeFile } from "node:fs/promises";
import { machineFacts, measure, renderReport, rows } from "@wrenn/bench";
import { ApiClient } from "../client/api-client.ts";
import { ProgressDisplay } from "../output/progress.ts";
import { prepareHost } from "../prepare-host.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly only?: string;
  readonly json?: string;
}

/** Starts a server of its own and measures the rows against it. */
export async function bench(options: BenchOptions): Promise<void> {
  await prepareHost();
  const { createLog, readConfig, startServer } = await import("@wrenn/server");
  const progress = new ProgressDisplay(process.stderr);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort(new Error("interrupted"));
  process.once("SIGINT", stop);
  const server = await startServer({
    config: {
      ...readConfig(process.env, "127.0.0.1:0"),
      createAnswerMs: undefined,
      dataDirectory: process.env["WRENN_DATA_DIR"] ?? "/var/lib/wrenn-bench",
    },
    logger: createLog("text", "error"),
    progress: progress.update,
    signal: stopping.signal,
  });
  try {
    const api = new ApiClient({ url: server.url, apiKey: server.apiKey });
    const facts = await machineFacts(await server.hostAgent.facts(stopping.signal));
    const chosen = rows.filter((row) => row.name.includes(options.only ?? ""));
    const results = await measure(
      chosen,
      options.rounds,
      {
        server,
        signal: stopping.signal,
        api: (method, path, body) => api.request(method, path, body, stopping.signal),
      },
      (round) =>
        progress.update({
          step: "measuring",
          fraction: Math.max(0, round) / options.rounds,
          detail: `round ${round + 1}`,
        }),
    );
    progress.done();
    process.stdout.write(renderReport(facts, results));
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify({ facts, results }, undefined, 2)}\n`);
  } finally {
    await server.close("destroy");
    process.off("SIGINT", stop);
  }
}
