import assert from "node:assert/strict";
import { after, test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { LogFields } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, OutputEvent } from "@wrenn/protocol";
import { createApp } from "../src/http/create-app.ts";
import { registerProcesses } from "../src/processes/register-processes.ts";
import { unusedSessions } from "./support/process-deps.ts";

const warnings: { readonly event: string; readonly fields: LogFields | undefined }[] = [];
const logger = {
  ...silentLogger,
  warn: (event: string, fields?: LogFields) => void warnings.push({ event, fields }),
};

const endedProcess = {
  facts: { pid: 7 },
  output: async function* (): AsyncGenerator<OutputEvent> {
    yield { type: "exit", exit: { exitCode: 0 } };
  },
} as unknown as CapsuleProcess;
const processes = { start: async () => endedProcess } as unknown as CapsuleProcesses;

const app = await createApp({ logger, random: systemRandom }, "0.0.0");
after(() => app.close());
app.addHook("onRequest", async (request) => void (request.identity = { teamId: "team" }));
registerProcesses(app, {
  ...unusedSessions,
  execOutputBytes: 1 << 20,
  capsules: {
    open: async () => ({
      processes,
      get files(): never {
        throw new Error("commands use the processes only");
      },
      touch: async () => {
        throw new Error("the database is away");
      },
    }),
  },
  clock: systemClock,
  logger,
});

test("a command succeeds when its activity cannot be recorded, and the failure is logged", async () => {
  const answer = await app.inject({
    method: "POST",
    url: "/v1/capsules/cl-1/exec",
    payload: { cmd: "true" },
  });
  assert.equal(answer.statusCode, 200, answer.body);
  assert.deepEqual(warnings, [{ event: "touch failed", fields: { problem: "the database is away" } }]);
});
