/* Drawn: it waits for real time; tests/e2e/guest-limits.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { GuestCounters } from "@wrenn/guest";
import type { CapsuleStatus } from "@wrenn/protocol";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(110_000);
const patience = { timeoutMs: 30_000 };
const roomy = { diskTotal: 1000, diskUsed: 10, inodesTotal: 1000, inodesUsed: 10, oom: undefined };
/** What the guest says in place of its own counters. */
let said: Partial<GuestCounters> = roomy;
let lab: AgentOnFakeMachines;

before(async () => {
  lab = await startAgentOnFakeMachines({
    onGuest: (link) => {
      const counters = link.counters.bind(link);
      link.counters = async (inner) => ({ ...(await counters(inner)), ...said });
    },
  });
});
after(() => lab.close());
beforeEach(() => (said = roomy));

const statusOf = (id: string): Promise<CapsuleStatus> => lab.agent.capsule(id, signal);
async function shows(id: string, what: string, check: (status: CapsuleStatus) => boolean): Promise<void> {
  await eventually(what, async () => check(await statusOf(id)), patience);
}

test("a disk is full below one per cent, and free again only at five", async () => {
  const id = "cl-disk";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await shows(id, "it was measured", ({ fullDisk }) => fullDisk?.length === 0);
  const announced: string[] = [];
  const stop = lab.agent.onChange(({ id: of, fullDisk }) => {
    if (of === id && fullDisk) announced.push(fullDisk.join());
  });
  said = { ...roomy, diskUsed: 995 };
  await shows(id, "it is full", ({ fullDisk }) => fullDisk?.join() === "space");
  said = { ...roomy, diskUsed: 970, inodesUsed: 1000 };
  await shows(id, "it has no files either", ({ fullDisk }) => fullDisk?.join() === "space,files");
  said = { ...roomy, diskUsed: 940 };
  await shows(id, "it has room again", ({ fullDisk }) => fullDisk?.length === 0);
  assert.deepEqual(announced, ["space", "space,files", ""]);
  stop();
  await lab.agent.destroyCapsule(id, signal);
});

test("what a guest says of killed processes is bounded, and reported at most once in ten seconds", async () => {
  const id = "cl-memory";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  const future = BigInt(Date.now() + 86_400_000) * 1_000_000n;
  const oom = {
    kills: 1,
    wallClockNs: future,
    pid: 7,
    memoryBytes: 2 ** 50,
    process: `evil\u0000\n${"x".repeat(100)}`,
  };
  said = { ...roomy, oom };
  await shows(id, "it is reported", ({ outOfMemory }) => outOfMemory?.kills === 1);
  const first = (await statusOf(id)).outOfMemory ?? assert.fail();
  assert.equal(first.process, `evil??${"x".repeat(58)}`);
  assert.ok(first.at <= Date.now() && first.memoryBytes === (await statusOf(id)).memoryMib * 2 ** 20);
  const reportedAt = performance.now();
  said = { ...roomy, oom: { ...oom, kills: 9 } };
  await shows(id, "the next is reported", ({ outOfMemory }) => outOfMemory?.kills === 9);
  assert.ok(performance.now() - reportedAt > 7000);
  await lab.agent.destroyCapsule(id, signal);
});
