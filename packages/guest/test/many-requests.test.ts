import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

/** More than the guest keeps of one lane, which is 4,096. */
const REQUESTS = 5000;

test("a process that runs long does not use up the requests of its lane", { timeout: 60_000 }, async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const signal = AbortSignal.timeout(50_000);
  try {
    const running = await link.processes.start(request("sleep", ["1000"]), signal);
    let asked = 0;
    const ask = async (): Promise<void> => {
      while (asked++ < REQUESTS) await link.info(signal);
    };
    await Promise.all(Array.from({ length: 16 }, ask));
    await running.kill(9, "tree", signal);
    assert.equal((await collect(running)).exit?.signal, 9);
  } finally {
    await link.detach();
  }
});
