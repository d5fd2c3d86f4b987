import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);

test("a guest that is greeted again answers what it was asked before, and streams go on where they were", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const counting = await link.processes.start(request("sh", ["-c", "seq 1 60000; exit 9"]), signal);
  const numbers = collect(counting);
  process.kill(agent.pid, "SIGSTOP");
  const before = link.answers;
  const answer = link.info(signal);
  link.greetAgain();
  link.greetAgain();
  process.kill(agent.pid, "SIGCONT");
  assert.ok((await answer).uptimeMs > 0);
  assert.ok(link.answers > before);
  const { stdout, exit, dropped } = await numbers;
  assert.equal(stdout.toString(), Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join(""));
  assert.deepEqual([exit, dropped], [{ exitCode: 9 }, []]);
  await link.detach();
  link.greetAgain();
});
