import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { exists } from "@wrenn/system";
import type { Machine } from "@wrenn/vmm";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const released: number[] = [];
let saveDeviceState: (save: () => Promise<void>, path: string) => Promise<void> = (save) => save();
const restored: string[] = [];
const host = await startAgentOnFakeMachines({
  onSlotRelease: ({ number }) => released.push(number),
  onMachine: (machine: Machine) => {
    restored.push(machine.id);
    const save = machine.saveDeviceState.bind(machine);
    Object.assign(machine, {
      saveDeviceState: (path: string, inner: AbortSignal) => saveDeviceState(() => save(path, inner), path),
    });
  },
});
after(() => host.close());
const { agent, template } = host;

const slotOf = async (id: string): Promise<number | undefined> => {
  const record = await readFile(join(host.root, "capsules", id, "capsule.json"), "utf8");
  return (JSON.parse(record) as { readonly slot?: number }).slot;
};
const generationsOf = (id: string): string => join(host.root, "capsules", id, "generations");

test("a pause saves the devices and the changed pages of a machine at the same time", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  saveDeviceState = async (save, path) => {
    await eventually("the pages are written before the device state is", () =>
      exists(join(path, "../memory.diff")),
    );
    await save();
  };
  assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
  saveDeviceState = (save) => save();
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  await agent.destroyCapsule(id, signal);
});

test("a pause whose devices cannot be saved leaves nothing of its pages, and the capsule runs", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  saveDeviceState = async () => {
    throw new Error("no devices");
  };
  await assert.rejects(agent.pauseCapsule(id, signal), /no devices/);
  saveDeviceState = (save) => save();
  assert.equal((await agent.capsule(id, signal)).state, "running");
  assert.deepEqual(await readdir(generationsOf(id)), []);
  await agent.pauseCapsule(id, signal);
  await agent.resumeCapsule(id, signal);
  await agent.destroyCapsule(id, signal);
});

test("the answer to a pause comes before its slot is released", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const slot = await slotOf(id);
  assert.ok(slot);
  await agent.pauseCapsule(id, signal);
  assert.equal(released.includes(slot), false);
  await eventually("the slot is released", () => released.includes(slot));
  await agent.destroyCapsule(id, signal);
});

test("a host agent that ends right after a pause releases the slot and reads the files back first", async () => {
  let count = 0;
  const short = await startAgentOnFakeMachines({ onSlotRelease: () => void count++ });
  const { id } = await short.agent.createCapsule(specOf(short.template), signal);
  await short.agent.pauseCapsule(id, signal);
  const checksums = join(short.root, "capsules", id, "generations", "g1", "checksums.json");
  await short.agent.close("leave");
  assert.deepEqual([count, await exists(checksums)], [1, true]);
  await short.close().catch(() => {});
});

test("a resume whose files turn out to be damaged is refused, and no machine has started", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  await agent.pauseCapsule(id, signal);
  const generation = join(generationsOf(id), "g1");
  await eventually("the files are read back", () => exists(join(generation, "checksums.json")));
  const path = join(generation, "memory.diff");
  const good = await readFile(path);
  await writeFile(path, "WRENNDIT");
  const { length } = restored;
  await assert.rejects(agent.resumeCapsule(id, signal), { name: "WrennError", reason: "snapshot_corrupt" });
  assert.deepEqual([restored.length, (await agent.capsule(id, signal)).state], [length, "paused"]);
  await writeFile(path, good);
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  await agent.destroyCapsule(id, signal);
});
