import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { GuestLink } from "@wrenn/guest";
import type { CapsuleStatus } from "@wrenn/protocol";
import type { Machine } from "@wrenn/vmm";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(240_000);
let failing: string | undefined;
let free = 1000;
/** Every machine, in the order of their starts; of each its process. */
const started: Machine[] = [];
const links: GuestLink[] = [];
const states: string[] = [];
let refuseSwitch = false;
const released: number[] = [];

const host = await startAgentOnFakeMachines({
  parkedMachines: 2,
  freeMemoryMib: () => free,
  onStep: (_id, operation, step) => {
    if (failing !== `${operation}:${step}`) return;
    failing = undefined;
    throw new Error(`no ${step}`);
  },
  onMachine: (machine) => {
    started.push(machine);
    const switchDisk = machine.switchDisk.bind(machine);
    Object.assign(machine, {
      switchDisk: async (path: string, inner: AbortSignal) => {
        if (refuseSwitch) throw new Error("the disk is not switched");
        await switchDisk(path, inner);
      },
    });
  },
  onGuest: (link) => links.push(link),
  onSlotRelease: ({ number }) => released.push(number),
});
const { agent, template } = host;
agent.onChange(({ state }: CapsuleStatus) => states.push(state));
after(() => host.close());
afterEach(async () => {
  for (const { id } of await agent.listCapsules(signal)) await agent.destroyCapsule(id, signal);
  assert.equal((await agent.parkedMachines()).count, 0);
  free = 1000;
});

async function create(): Promise<string> {
  const { id } = await agent.createCapsule(specOf(template), signal);
  return id;
}

interface CapsuleRecord {
  readonly slot: number;
  readonly overlay: number;
  readonly layers: readonly string[];
  readonly restores: number;
}

async function recordOf(id: string): Promise<CapsuleRecord> {
  return JSON.parse(await readFile(join(filesOf(id), "capsule.json"), "utf8")) as CapsuleRecord;
}

/** A paused capsule whose machine is kept, and the slot of that. */
async function parkedCapsule(): Promise<{ readonly id: string; readonly slot: number }> {
  const id = await create();
  const { slot } = await recordOf(id);
  await agent.pauseCapsule(id, signal);
  assert.equal((await agent.parkedMachines()).count, 1);
  started.length = 0;
  states.length = 0;
  return { id, slot };
}

const filesOf = (id: string): string => join(host.root, "capsules", id);
const isGone = async (path: string): Promise<boolean> =>
  await stat(path).then(
    () => false,
    () => true,
  );

/** The state of the one process of a parked machine, as in /proc. */
async function processState(pid: number): Promise<string> {
  return /^State:\s+(\S)/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? "gone";
}

test("a pause keeps the stopped machine and a resume lets it run", async () => {
  const id = await create();
  const machine = started.at(-1);
  assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
  assert.equal(await processState(machine?.process.pid ?? 0), "T", "its processors stand still");
  const { count, memoryBytes } = await agent.parkedMachines();
  assert.equal(count, 1);
  assert.ok(memoryBytes > 0);
  started.length = 0;
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  assert.deepEqual(started, []);
  assert.equal((await agent.parkedMachines()).count, 0);
  await agent.processes(id).list(signal);
});

test("a capsule is paused and resumed many times on one machine, each time on a disk of its own", async () => {
  const id = await create();
  started.length = 0;
  for (let round = 1; round <= 5; round++) {
    await agent.pauseCapsule(id, signal);
    await agent.resumeCapsule(id, signal);
    const { overlay, layers, restores } = await recordOf(id);
    assert.deepEqual([overlay, layers.length, restores], [round, round, round + 1]);
  }
  assert.deepEqual(started, []);
});

for (const step of ["slot", "disk", "machine", "guest", "identity", "commit"] as const) {
  test(`a resume of a parked machine that fails at "${step}" goes on from disk`, async () => {
    const { id, slot } = await parkedCapsule();
    failing = `resume:${step}`;
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
    assert.equal(failing, undefined, "it failed");
    assert.equal(started.length, 1, "another machine was started");
    assert.ok(released.includes(slot), "the slot of the first one was given back");
    assert.ok(!states.includes("paused") && !states.includes("failed"), states.join());
    await agent.processes(id).list(signal);
    assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
  });
}

test("streams end when a parked machine fails after its guest was reached, since bytes may be lost with it", async () => {
  const id = await create();
  const link = links.at(-1);
  await agent.pauseCapsule(id, signal);
  failing = "resume:commit";
  await agent.resumeCapsule(id, signal);
  assert.equal(link?.isClosed, true);
});

test("streams go on when a parked machine died before its guest was reached", async () => {
  const id = await create();
  const link = links.at(-1);
  await agent.pauseCapsule(id, signal);
  failing = "resume:machine";
  await agent.resumeCapsule(id, signal);
  assert.equal(link?.isClosed, false);
});

test("an aborted resume ends the parked machine, and the capsule stays paused", async () => {
  const { id, slot } = await parkedCapsule();
  const aborting = new AbortController();
  const resuming = agent.resumeCapsule(id, aborting.signal);
  aborting.abort(new Error("given up"));
  await assert.rejects(resuming, /given up/);
  assert.equal((await agent.capsule(id, signal)).state, "paused");
  assert.ok(released.includes(slot));
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
});

test("a machine that cannot be parked ends, and the capsule is paused", async () => {
  const id = await create();
  refuseSwitch = true;
  assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
  refuseSwitch = false;
  assert.equal((await agent.parkedMachines()).count, 0);
  assert.equal(await isGone(join(filesOf(id), "run")), true);
  assert.deepEqual(await readdir(join(filesOf(id), "disk")), ["0.qcow2"]);
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
});

test("a parked machine that is killed leaves a capsule that is paused and resumes from disk", async () => {
  const id = await create();
  const machine = started.at(-1);
  await agent.pauseCapsule(id, signal);
  states.length = 0;
  process.kill(machine?.process.pid ?? 0, "SIGKILL");
  await eventually("nothing is left of it", () => isGone(join(filesOf(id), "run")));
  assert.deepEqual(states, []);
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
});

/** What ends the parked machine of a capsule. */
const endings: Readonly<Record<string, (id: string) => Promise<unknown>>> = {
  "going back to a checkpoint": (id) => agent.restoreCheckpoint(id, "g1", signal),
  "a change of the network policy": (id) =>
    agent.setNetwork(id, { egress: "deny", allow: [], deny: [] }, signal),
  "the end of the capsule": (id) => agent.destroyCapsule(id, signal),
  "a host that is short of memory": async () => {
    free = 100;
    await eventually("it has ended", async () => (await agent.parkedMachines()).count === 0);
  },
  "a create that needs its memory": async () => {
    free = 180;
    await create();
  },
};
for (const [what, end] of Object.entries(endings)) {
  test(`${what} ends a parked machine`, async () => {
    const { id, slot } = await parkedCapsule();
    await end(id);
    assert.equal((await agent.parkedMachines()).count, 0);
    await eventually("its slot was given back", () => released.includes(slot));
    const capsule = (await agent.listCapsules(signal)).find((one) => one.id === id);
    if (capsule?.state !== "paused") return;
    started.length = 0;
    free = 1000;
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
    assert.equal(started.length, 1, "from disk");
  });
}

test("a template of a paused capsule and settings beside the network leave its machine parked", async () => {
  const { id } = await parkedCapsule();
  await agent.createSnapshot(id, { key: "snap-parked", ownPrograms: false }, signal);
  await agent.changeSettings(id, { timeoutSec: 77 }, signal);
  started.length = 0;
  await agent.resumeCapsule(id, signal);
  assert.deepEqual(started, []);
  await agent.deleteSnapshot("snap-parked", signal);
});

test("compacting the disk of a paused capsule ends its machine, which lies over the old layers", async () => {
  const id = await create();
  for (let layer = 0; layer < 8; layer++) await agent.checkpointCapsule(id, undefined, signal);
  await agent.pauseCapsule(id, signal);
  await eventually("it has ended", async () => (await agent.parkedMachines()).count === 0);
  started.length = 0;
  await agent.resumeCapsule(id, signal);
  assert.equal(started.length, 1);
});

test("a host agent that ends leaves no parked machine, and capsules that are paused", async () => {
  const first = await startAgentOnFakeMachines({ parkedMachines: 2, freeMemoryMib: () => 1000 });
  const { id } = await first.agent.createCapsule(specOf(first.template), signal);
  await first.agent.pauseCapsule(id, signal);
  assert.equal((await first.agent.parkedMachines()).count, 1);
  await first.agent.close("leave");
  assert.equal(await isGone(first.machineDirectory(id)), true);
  const second = await startAgentOnFakeMachines({ root: first.root });
  assert.equal((await second.agent.resumeCapsule(id, signal)).state, "running");
  await second.close();
});
