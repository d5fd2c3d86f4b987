/** Runs the portable suite in a Worker: it answers a POST of the run's request with one line for each scenario. */
import * as sdk from "@wrenn/sdk";
import { runScenarios } from "./run-scenarios.ts";
import type { RunRequest } from "./run-scenarios.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    const lines: string[] = [];
    const run = (await request.json()) as RunRequest;
    await runScenarios(sdk, run, (outcome) => lines.push(JSON.stringify(outcome)));
    return new Response(lines.join("\n"));
  },
};
