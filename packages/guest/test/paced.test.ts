import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { systemClock } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

/* Processes that outlive a request: they go at the pace of their readers while they have any, may have a time limit, and are found by their tag. */

const signal = AbortSignal.timeout(60_000);
const SIZE = 5_000_000;
/** What a link holds of one output. */
const HELD = 1 << 20;
const flood = request("head", ["-c", String(SIZE), "/dev/zero"], { output: "paced" });
/** A clock on which a process waits a fraction of a second for its next reader. */
const hurried: Clock = {
  ...systemClock,
  sleep: async (ms, aborted) => await systemClock.sleep(ms / 100, aborted),
};

test("a reader that leaves and another one that continues lose nothing between them", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const process = await link.processes.start(flood, signal);
  let position = 0;
  for (let reader = 0; reader < 5; reader += 1) {
    const from = position;
    for await (const event of process.output({ stdout: position, stderr: 0 }, signal)) {
      assert.ok(event.type === "data", `reader ${reader} is told ${JSON.stringify(event)}`);
      assert.equal(event.offset, position);
      position += event.bytes.length;
      if (position - from > 400_000) break;
    }
    await delay(50);
  }
  const { stdout, exit, dropped } = await collect(process, { stdout: position, stderr: 0 });
  assert.deepEqual([position + stdout.length, exit, dropped], [SIZE, { exitCode: 0 }, []]);
  await link.detach();
});

test("behind the last reader the log keeps output that a client may have missed", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const process = await link.processes.start(flood, signal);
  let position = 0;
  for await (const event of process.output("oldest", signal)) {
    assert.ok(event.type === "data");
    position = event.offset + event.bytes.length;
    if (position > 3_000_000) break;
  }
  await delay(100);
  const { stdout, dropped } = await collect(process, { stdout: position - 600_000, stderr: 0 });
  assert.deepEqual([stdout.length, dropped], [SIZE - position + 600_000, []]);
  await link.detach();
});

test("without a reader for long it runs to its end; what is not kept is announced", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect(agent, hurried);
  const never = await link.processes.start(flood, signal);
  const left = await link.processes.start(flood, signal);
  for await (const event of left.output("oldest", signal)) if (event.type === "data") break;
  for (const process of [never, left]) {
    assert.deepEqual(await process.wait(signal), { exitCode: 0 });
    const { stdout, dropped } = await collect(process);
    const [, from, to] = /^stdout (\d+)-(\d+)$/.exec(dropped[0] ?? "") ?? [];
    assert.equal(from, "0");
    assert.equal(Number(to) + stdout.length, SIZE);
  }
  await link.detach();
});

test("after a restart of the host agent it is still paced, and has its time limit anew", async () => {
  await using agent = await NativeAgent.start();
  const first = await agent.connect();
  const shown = "head -c 3000000 /dev/zero; exec sleep 60";
  const { facts } = await first.processes.start(
    request("sh", ["-c", shown], { output: "paced", timeoutMs: 1500, tag: "survivor" }),
    signal,
  );
  await first.detach();
  const second = await agent.connect();
  await second.recover(signal);
  const process = await second.processes.find("survivor", signal);
  assert.deepEqual([process.facts.pid, process.facts.timeoutMs], [facts.pid, 1500]);
  const { stdout, exit, dropped } = await collect(process);
  // What the first link had taken by its end is gone with it, and is reported.
  const lost = 3_000_000 - stdout.length;
  assert.deepEqual(dropped, lost === 0 ? [] : [`stdout 0-${lost}`]);
  assert.ok(lost <= HELD, `${lost} bytes`);
  assert.equal(exit?.timedOut, true);
  await second.detach();
});

test("a process whose time is up ends with everything it started, also what ignores SIGTERM", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const script = "trap '' TERM; (trap '' TERM; echo $$ child; exec sleep 600) & wait; exec sleep 600";
  const startedAt = performance.now();
  const process = await link.processes.start(
    request("sh", ["-c", script], { output: "paced", timeoutMs: 200 }),
    signal,
  );
  const exit = await process.wait(signal);
  assert.deepEqual(exit, { exitCode: 137, signal: 9, timedOut: true });
  assert.ok(performance.now() - startedAt > 2000, "SIGKILL comes two seconds after SIGTERM");
  await link.detach();
});

test("the time of a process stands still while its capsule is paused", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const process = await link.processes.start(
    request("sleep", ["600"], { output: "paced", timeoutMs: 400 }),
    signal,
  );
  link.suspend();
  await delay(800);
  assert.equal(process.facts.exit, undefined);
  const resumedAt = performance.now();
  await link.resume(signal);
  const exit = await eventually("the exit", () => process.facts.exit);
  assert.equal(exit.timedOut, true);
  assert.ok(performance.now() - resumedAt > 200, "what was left of it passed after the pause");
  await link.detach();
});

test("a process that is being started is found once it has, or has not, started", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const starting = link.processes.start(request("sleep", ["600"], { tag: "soon" }), signal);
  const found = await link.processes.find("soon", signal);
  assert.equal(found.facts.pid, (await starting).facts.pid);
  const failing = link.processes.start(request("sleep", ["600"], { tag: "never", cwd: "/no/such" }), signal);
  const never = link.processes.find("never", signal);
  await assert.rejects(failing, { reason: "cwd_not_found" });
  await assert.rejects(never, { reason: "process_not_found" });
  await found.kill(9, "tree", signal);
  await link.detach();
});
