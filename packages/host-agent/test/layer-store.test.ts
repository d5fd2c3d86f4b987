import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { LayerStore } from "@wrenn/host-agent";
import { exists } from "@wrenn/system";
import { startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const directory = await mkdtemp("/tmp/wrenn-layers-");
after(() => rm(directory, { recursive: true }));

async function storeWithLayer(name: string): Promise<{ readonly store: LayerStore; readonly id: string }> {
  const store = new LayerStore(join(directory, name), systemRandom);
  await store.open();
  const overlay = join(directory, `${name}.qcow2`);
  await writeFile(overlay, "disk");
  return { store, id: await store.freeze(overlay) };
}

test("layers that are neither used nor pinned are removed", async () => {
  const { store, id } = await storeWithLayer("unused");
  assert.deepEqual(await store.collect(() => new Set()), [], "it is pinned");
  store.unpin(id);
  assert.deepEqual(await store.collect(() => new Set([id])), [], "it is used");
  assert.deepEqual(await store.collect(() => new Set()), [id]);
  assert.equal(await exists(store.path(id)), false);
});

test("a layer that was being written when its process was killed is removed at the next start", async () => {
  const { store, id } = await storeWithLayer("restarted");
  await writeFile(`${store.path(systemRandom.uuid())}.flattening`, "half a disk");
  await new LayerStore(join(directory, "restarted"), systemRandom).open();
  assert.deepEqual(await readdir(join(directory, "restarted")), [`${id}.qcow2`]);
});

test("a layer that could not be made is not kept", async () => {
  const id = systemRandom.uuid();
  const store = new LayerStore(join(directory, "failed"), { ...systemRandom, uuid: () => id });
  await store.open();
  await assert.rejects(store.freeze(join(directory, "no-such-overlay")), { code: "ENOENT" });
  await writeFile(store.path(id), "disk");
  assert.deepEqual(await store.collect(() => new Set()), [id]);
});

test("a layer that a record begins to name during a collection is kept", async () => {
  const { store, id } = await storeWithLayer("committed");
  const used = new Set<string>();
  const collecting = store.collect(() => new Set(used));
  used.add(id);
  store.unpin(id);
  assert.deepEqual(await collecting, []);
  assert.equal(await exists(store.path(id)), true);
});

test("capsules that are paused at once all keep their disks", async () => {
  const host = await startAgentOnFakeMachines();
  after(() => host.close());
  const { agent, template } = host;
  const signal = AbortSignal.timeout(120_000);
  const pauseOne = async (): Promise<void> => {
    const id = newId("capsule", systemRandom);
    const spec = { id, template, vcpus: 1, memoryMib: 64, diskMib: 1024, timeoutSec: 0, envs: {} };
    await agent.createCapsule(spec, signal);
    await agent.pauseCapsule(id, signal);
    await agent.resumeCapsule(id, signal);
    await agent.pauseCapsule(id, signal);
    await agent.destroyCapsule(id, signal);
  };
  const worker = async (): Promise<void> => {
    for (let n = 0; n < 10; n++) await pauseOne();
  };
  await Promise.all(Array.from({ length: 6 }, worker));
});
