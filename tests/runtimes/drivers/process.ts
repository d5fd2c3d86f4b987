/** Runs the portable suite in Node.js, Bun or Deno: `process.js REQUEST`, where REQUEST is the JSON of a run's request. */
import * as sdk from "@wrenn/sdk";
import { runScenarios } from "./run-scenarios.ts";
import type { RunRequest } from "./run-scenarios.ts";

const request = JSON.parse(process.argv[2] ?? "") as RunRequest;
await runScenarios(sdk, request, (outcome) => process.stdout.write(`${JSON.stringify(outcome)}\n`));
