import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock, WrennError } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, OutputEvent } from "@wrenn/protocol";
import { runForeground } from "../src/processes/run-foreground.ts";

/** Never settles by itself. */
async function never(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

/** A process in a guest that answers nothing, or whose processes take no signal. */
function stuckProcess(answers: { readonly kill: boolean }, kills: number[]): CapsuleProcess {
  return {
    facts: { pid: 7 } as CapsuleProcess["facts"],
    output: async function* (_from, signal): AsyncGenerator<OutputEvent> {
      yield { type: "data", stream: "stdout", offset: 0, bytes: Buffer.from("printed") };
      await never(signal);
    },
    held: async (_from, signal) => await never(signal),
    wait: async (signal) => await never(signal),
    write: async (_bytes, signal) => await never(signal),
    closeInput: async (signal) => await never(signal),
    kill: async (number, _scope, signal) => {
      kills.push(number);
      if (!answers.kill) await never(signal);
    },
    resize: async (_cols, _rows, signal) => await never(signal),
  };
}

const request = { cmd: "x", args: [], envs: {}, timeoutSec: 0.05 };
const times = { killAfterMs: 20, killMs: 20, exitMs: 50 };

for (const kill of [true, false])
  test(`a command that does not end is given up when its guest ${kill ? "takes" : "does not take"} signals`, async () => {
    const kills: number[] = [];
    const processes = { start: async () => stuckProcess({ kill }, kills) } as unknown as CapsuleProcesses;
    const result = runForeground(processes, request, systemClock, new AbortController().signal, times);
    await assert.rejects(result, (error) => WrennError.is(error, "guest_unreachable"));
    assert.deepEqual(kills.slice(0, 2), [15, 9], "KILL is tried though TERM was not answered");
  });

test("a client that leaves is not kept waiting for a command that does not end", async () => {
  const kills: number[] = [];
  const processes = {
    start: async () => stuckProcess({ kill: true }, kills),
  } as unknown as CapsuleProcesses;
  const left = AbortSignal.timeout(30);
  const result = runForeground(processes, { ...request, timeoutSec: 600 }, systemClock, left, times);
  await assert.rejects(result, { name: "TimeoutError" });
});
