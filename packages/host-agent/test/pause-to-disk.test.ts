import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import { operationSteps } from "@wrenn/host-agent";
import type { CapsuleRecord } from "../src/capsules/capsule-record.ts";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(120_000);
let failing: { readonly operation: string; readonly step: string } | undefined;
/** How guests that are connected from now on shut down. */
let shutDown: GuestLink["shutDown"] = async () => ({ killed: 0 });
/** What guests were asked to do. */
const asked: string[] = [];
/** Programs that they started. */
const started: string[] = [];

const host = await startAgentOnFakeMachines({
  onStep: (_id, operation, step) => {
    if (operation === failing?.operation && step === failing.step) throw new Error(`no ${step}`);
  },
  onGuest: (link) => {
    const start = link.processes.start.bind(link.processes);
    link.processes.start = async (request, ...given) => {
      started.push(request.cmd);
      return await start(request, ...given);
    };
    Object.assign(link, {
      shutDown: async (...given: Parameters<GuestLink["shutDown"]>) => {
        asked.push("shut down");
        return await shutDown(...given);
      },
      undoShutDown: async () => void asked.push("undo"),
      quiesce: async (options: object) => void asked.push(`quiesce ${Object.keys(options).join(" ")}`),
    });
  },
});
after(() => host.close());
const { agent, template } = host;

const filesOf = (id: string): string => join(host.root, "capsules", id);

async function recordOf(id: string): Promise<CapsuleRecord> {
  return JSON.parse(await readFile(join(filesOf(id), "capsule.json"), "utf8")) as CapsuleRecord;
}

async function capsule(): Promise<string> {
  const { id } = await agent.createCapsule(specOf(template), signal);
  asked.length = 0;
  return id;
}

for (const step of ["shutdown", "stop", "commit"] as const) {
  test(`a pause to the disk that fails at step "${step}" leaves the capsule running, and nothing of the pause`, async () => {
    const id = await capsule();
    failing = { operation: "pause-disk", step };
    await assert.rejects(agent.pauseToDisk(id, signal), /no /);
    failing = undefined;
    assert.equal((await agent.capsule(id, signal)).state, "running");
    await agent.processes(id).list(signal);
    // Before the guest was asked there is nothing to take back.
    assert.deepEqual(asked, step === "shutdown" ? [] : ["shut down", "undo"]);
    assert.deepEqual(await readdir(join(filesOf(id), "generations")), []);
    await host.layers.collect(() => new Set());
    assert.equal((await agent.pauseToDisk(id, signal)).kept, "disk");
    await agent.destroyCapsule(id, signal);
  });
}

test("a pause to the disk whose machine cannot be released succeeds", async () => {
  const id = await capsule();
  failing = { operation: "pause-disk", step: "release" };
  assert.equal((await agent.pauseToDisk(id, signal)).state, "paused");
  failing = undefined;
  await agent.destroyCapsule(id, signal);
});

test("a guest that does not shut down in time is switched off", async () => {
  const id = await capsule();
  shutDown = () =>
    Promise.reject(new WrennError("deadline_exceeded", { what: "shutting down the guest", ms: 60_000 }));
  assert.equal((await agent.pauseToDisk(id, signal)).kept, "disk");
  shutDown = async () => ({ killed: 1, problem: "Device or resource busy" });
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  assert.equal((await agent.pauseToDisk(id, signal)).kept, "disk");
  shutDown = async () => ({ killed: 0 });
  await agent.destroyCapsule(id, signal);
});

test("a guest agent of an earlier version writes everything to its disk instead", async () => {
  const id = await capsule();
  shutDown = async () => undefined;
  assert.equal((await agent.pauseToDisk(id, signal)).kept, "disk");
  shutDown = async () => ({ killed: 0 });
  assert.deepEqual(asked, ["shut down", "quiesce freeze sync"]);
  await agent.destroyCapsule(id, signal);
});

test("an abort before the shutdown is obeyed, and a later one changes nothing", async () => {
  const id = await capsule();
  await assert.rejects(agent.pauseToDisk(id, AbortSignal.abort(new Error("enough"))), /enough/);
  assert.equal((await agent.capsule(id, signal)).state, "running");
  const late = new AbortController();
  shutDown = async () => {
    late.abort(new Error("enough"));
    return { killed: 0 };
  };
  assert.equal((await agent.pauseToDisk(id, late.signal)).state, "paused");
  shutDown = async () => ({ killed: 0 });
  await agent.destroyCapsule(id, signal);
});

test("a boot that fails leaves the capsule paused with its memory, which it can be resumed with", async () => {
  const id = await capsule();
  await agent.pauseCapsule(id, signal);
  failing = { operation: "resume", step: "identity" };
  await assert.rejects(agent.bootCapsule(id, signal), /no identity/);
  failing = undefined;
  const { state, kept } = await agent.capsule(id, signal);
  assert.deepEqual([state, kept], ["paused", "memory"]);
  assert.equal((await agent.resumeCapsule(id, signal)).diskAtBoot, undefined);
  await agent.destroyCapsule(id, signal);
});

test("what is saved after a boot lies over empty memory, also in forks, and never over the template's", async () => {
  const id = await capsule();
  await agent.pauseToDisk(id, signal);
  await agent.resumeCapsule(id, signal);
  await agent.checkpointCapsule(id, "booted", signal);
  const child = specOf(template);
  await agent.forkCapsule(id, [child], signal);
  await agent.pauseCapsule(id, signal);
  await agent.pauseCapsule(child.id, signal);
  for (const one of [id, child.id]) {
    const { size, blocks } = await stat(join(filesOf(one), "empty-memory"));
    assert.deepEqual([size, blocks], [64 * 2 ** 20, 0]);
    const { generations } = await recordOf(one);
    assert.ok(generations.every(({ booted, diskOnly }) => (booted === undefined) === (diskOnly === true)));
  }
  assert.equal((await agent.resumeCapsule(id, signal)).diskAtBoot, "clean");
  assert.equal((await agent.resumeCapsule(child.id, signal)).state, "running");
  // Back to the disk and from there on to the memory of the boot.
  const [, , checkpoint] = (await recordOf(id)).generations.map((generation) => generation.id);
  const moments = await agent.listCheckpoints(id, signal);
  const disk = moments.find(({ diskOnly }) => diskOnly);
  if (disk) assert.equal((await agent.restoreCheckpoint(id, disk.id, signal)).diskAtBoot, "clean");
  const named = moments.find(({ name }) => name === "booted");
  assert.ok(named && checkpoint !== undefined);
  assert.equal((await agent.restoreCheckpoint(id, named.id, signal)).state, "running");
  for (const one of [id, child.id]) await agent.destroyCapsule(one, signal);
});

test("the memory that a capsule had before a pause to its disk can be gone back to", async () => {
  const id = await capsule();
  const { id: checkpoint } = await agent.checkpointCapsule(id, "memory", signal);
  await agent.pauseToDisk(id, signal);
  const restored = await agent.restoreCheckpoint(id, checkpoint, signal);
  assert.deepEqual([restored.state, restored.diskAtBoot], ["running", undefined]);
  assert.equal((await recordOf(id)).booted, undefined);
  await agent.destroyCapsule(id, signal);
});

test("programs run before a template of a disk is frozen where they are the product's, and a user's never do", async () => {
  const id = await capsule();
  await agent.pauseToDisk(id, signal);
  started.length = 0;
  await agent.createSnapshot(id, { key: "of-users", ownPrograms: false }, signal);
  assert.equal(started.join(), "");
  await agent.createSnapshot(id, { key: "of-product", ownPrograms: true }, signal);
  assert.ok(started.includes("python3"), `only ran ${started.join(", ")}`);
  const listed = await agent
    .processes((await agent.createCapsule(specOf("of-product"), signal)).id)
    .list(signal);
  assert.deepEqual(listed, []);
});

for (const step of operationSteps["pause-disk"]) {
  test(`a host agent that ends at step "${step}" of a pause to the disk: the next one completes it`, async () => {
    const reached = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const first = await startAgentOnFakeMachines({
      onStep: async (_id, operation, at) => {
        if (operation !== "pause-disk" || at !== step) return;
        reached.resolve();
        // Until the test is over it does nothing any longer, as a process that was killed.
        await ended.promise;
        throw new Error("it has ended");
      },
    });
    const { id } = await first.agent.createCapsule(specOf(first.template), signal);
    const pausing = first.agent.pauseToDisk(id, signal).catch(() => undefined);
    await reached.promise;
    const next = await startAgentOnFakeMachines({ root: first.root });
    try {
      const { state, kept } = await next.agent.capsule(id, signal);
      assert.deepEqual([state, kept], ["paused", "disk"]);
      assert.equal((await next.agent.resumeCapsule(id, signal)).diskAtBoot, "clean");
    } finally {
      await next.close();
      ended.resolve();
      await pausing;
      await first.agent.close("leave");
    }
  });
}
