/* Drawn: it waits for real time; tests/e2e/guest-health.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { addedDelay, readRunDelays } from "../src/health/run-delay.ts";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(110_000);
let lab: AgentOnFakeMachines;
/** Of the guest agent of the machine that was started last. */
let pid = 0;
/** What is said about the time that machines wait for a processor. */
let delays: ReadonlyMap<string, number> | undefined;

before(async () => {
  lab = await startAgentOnFakeMachines({
    onMachine: (machine) => (pid = machine.process.pid),
    runDelays: async (of) => delays ?? (await readRunDelays(of)),
  });
});
after(() => lab.close());

const healthOf = async (id: string): Promise<string | undefined> =>
  (await lab.agent.capsule(id, signal)).health;
const becomes = async (id: string, health: string): Promise<unknown> =>
  await eventually(`its health is ${health}`, async () => (await healthOf(id)) === health, {
    timeoutMs: 30_000,
  });

/** What is announced about the health of a capsule, each value once in a row. */
function announcedOf(id: string): { readonly values: (string | undefined)[]; readonly stop: () => void } {
  const values: (string | undefined)[] = [];
  const stop = lab.agent.onChange((status) => {
    if (status.id === id && status.state === "running" && status.health !== values.at(-1))
      values.push(status.health);
  });
  return { values, stop };
}

test("a guest that stops answering is reported, and again when it answers", async () => {
  const id = "cl-silent";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await becomes(id, "ok");
  const { values, stop } = announcedOf(id);
  const stopped = pid;
  process.kill(stopped, "SIGSTOP");
  try {
    await becomes(id, "not_answering");
    assert.equal((await lab.agent.capsule(id, signal)).state, "running");
  } finally {
    process.kill(stopped, "SIGCONT");
  }
  await becomes(id, "ok");
  assert.deepEqual(values, ["not_answering", "ok"]);
  stop();
  await lab.agent.pauseCapsule(id, signal);
  assert.equal(await healthOf(id), undefined, "a paused capsule has none");
  await lab.agent.resumeCapsule(id, signal);
  await becomes(id, "ok");
  await lab.agent.destroyCapsule(id, signal);
});

test("the time that its machine waits for a processor is not held against a guest", async () => {
  const id = "cl-busy-host";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await becomes(id, "ok");
  const { values, stop } = announcedOf(id);
  const began = performance.now();
  const grows = setInterval(() => (delays = new Map([["1", performance.now() - began]])), 100);
  const stopped = pid;
  process.kill(stopped, "SIGSTOP");
  try {
    await sleep(15_000);
    assert.deepEqual(values, [], "a busy host is no silent guest");
    clearInterval(grows);
    await becomes(id, "not_answering");
  } finally {
    clearInterval(grows);
    delays = undefined;
    process.kill(stopped, "SIGCONT");
  }
  await becomes(id, "ok");
  stop();
  await lab.agent.destroyCapsule(id, signal);
});

test("the time in which the host agent itself stood still is not held against a guest", async () => {
  const id = "cl-stopped-server";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await becomes(id, "ok");
  const { values, stop } = announcedOf(id);
  const guest = pid;
  for (let round = 0; round < 3; round++) {
    process.kill(guest, "SIGSTOP");
    // Nothing of this process runs meanwhile, as when it is stopped.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6000);
    process.kill(guest, "SIGCONT");
    await sleep(1500);
  }
  assert.deepEqual(values, []);
  stop();
  await lab.agent.destroyCapsule(id, signal);
});

test("a guest that does not answer can be destroyed at once", async () => {
  const id = "cl-given-up";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await becomes(id, "ok");
  process.kill(pid, "SIGSTOP");
  await becomes(id, "not_answering");
  await lab.agent.destroyCapsule(id, signal);
});

test("the longest wait of any thread counts, and one that is new has not waited", async () => {
  const before = new Map([
    ["1", 10],
    ["2", 50],
  ]);
  const now = new Map([
    ["1", 40],
    ["2", 55],
    ["3", 900],
  ]);
  assert.equal(addedDelay(before, now), 30);
  assert.equal(addedDelay(now, before), 0);
  assert.ok((await readRunDelays(process.pid)).size > 0);
  assert.equal((await readRunDelays(2 ** 22 + 1)).size, 0);
});
