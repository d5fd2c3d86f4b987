import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { GuestLink } from "@wrenn/guest";
import { request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

async function startLong(link: GuestLink, number: number): Promise<void> {
  const args = Array.from({ length: 9 }, (_, at) => `${number} ${at} `.padEnd(100_000, "x"));
  await link.processes.start(
    request("sh", ["-c", "exec sleep 1000", ...args], { tag: `long-${number}`, output: "detached" }),
    signal,
  );
}

test("command lines that are too long to be kept are not kept, and what is kept is counted", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  await startLong(link, 0);
  const before = { heap: heap(), counted: link.bufferedBytes };
  for (let number = 1; number <= 100; number++) await startLong(link, number);
  const grown = heap() - before.heap;
  const counted = link.bufferedBytes - before.counted;
  const kept = (await link.processes.list(signal)).flatMap(({ cmd, args }) => [cmd, ...args]).join("").length;
  assert.ok(kept < counted, `${kept} bytes of command lines, ${counted} counted`);
  assert.ok(grown < 10 * MIB, `${grown} bytes are kept of 90 MB`);
  const { facts } = await link.processes.find("long-7", signal);
  assert.deepEqual([facts.cmd, facts.args[0], facts.args[1]], ["sh", "-c", "exec sleep 1000"]);
  await link.detach();
});

test("a command line of many short words is kept, and counted with the memory of each word", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const before = link.bufferedBytes;
  const words = Array.from({ length: 10_000 }, (_, at) => String(at % 100));
  const started = await link.processes.start(
    request("sleep", ["1000", ...words], { output: "detached" }),
    signal,
  );
  assert.equal(started.facts.args.length, 10_001);
  assert.ok(link.bufferedBytes - before > 10_000 * 32, `${link.bufferedBytes - before} bytes counted`);
  await link.detach();
});
