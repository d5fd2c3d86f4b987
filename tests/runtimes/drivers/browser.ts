/** Runs the portable suite in a page, which calls `runPortable` and gets the lines of all scenarios. */
import * as sdk from "@wrenn/sdk";
import { runScenarios } from "./run-scenarios.ts";
import type { RunRequest } from "./run-scenarios.ts";

Object.assign(globalThis, {
  runPortable: async (run: RunRequest): Promise<string> => {
    const lines: string[] = [];
    await runScenarios(sdk, run, (outcome) => lines.push(JSON.stringify(outcome)));
    return lines.join("\n");
  },
});
