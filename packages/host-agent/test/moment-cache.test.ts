import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const [a = "", b = "", c = ""] = ["a", "b", "c"].map((letter) => letter.repeat(64));
const ID = `cl-${"0".repeat(25)}`;
const spec = { id: ID, template: "minimal", vcpus: 1, memoryMib: 64, diskMib: 1024, timeoutSec: 0, envs: {} };

async function layersOf({ root }: AgentOnFakeMachines): Promise<number> {
  return (await readdir(join(root, "layers"))).length;
}

test("moments outlive their capsule and the host agent, with the layers that they need and no others", async (t) => {
  const first = await startAgentOnFakeMachines();
  t.after(() => first.close());
  await first.agent.createCapsule(spec, signal);
  await first.agent.cacheMoment(ID, { key: a, memory: false }, signal);
  await first.agent.cacheMoment(ID, { key: b, memory: true }, signal);
  await assert.rejects(first.agent.cacheMoment(ID, { key: "../up", memory: true }, signal), (error) =>
    WrennError.is(error, "invalid_field"),
  );
  await first.agent.destroyCapsule(ID, signal);
  assert.equal(await layersOf(first), 2, "none for the refused key");
  // What an earlier host agent did not finish, and what cannot be read.
  await writeFile(join(first.root, "moments", `${c}.unfinished`), "");
  const second = await startAgentOnFakeMachines({ root: first.root });
  t.after(() => second.close());
  assert.deepEqual(await second.agent.cachedMoments([a, b, c], signal), [a, b]);
  assert.deepEqual((await readdir(join(first.root, "moments"))).sort(), [a, b]);
  await second.agent.dropMoments([a], signal);
  assert.equal(await layersOf(second), 2, "the second moment lies over the layer of the first");
  await second.agent.dropMoments([b], signal);
  assert.equal(await layersOf(second), 0);
});

test("a moment whose layer is gone is none", async (t) => {
  const first = await startAgentOnFakeMachines();
  t.after(() => first.close());
  await first.agent.createCapsule(spec, signal);
  await first.agent.cacheMoment(ID, { key: a, memory: false }, signal);
  await first.agent.destroyCapsule(ID, signal);
  await rm(join(first.root, "layers"), { recursive: true });
  const second = await startAgentOnFakeMachines({ root: first.root });
  t.after(() => second.close());
  assert.deepEqual(await second.agent.cachedMoments([a], signal), []);
});

test("the moments that were not used for longest go when there are too many bytes of them", async (t) => {
  // A moment without memory has a layer of one block.
  const host = await startAgentOnFakeMachines({ momentBytes: 2 * 4096 });
  t.after(() => host.close());
  const { agent } = host;
  await agent.createCapsule(spec, signal);
  await agent.cacheMoment(ID, { key: a, memory: false }, signal);
  await agent.cacheMoment(ID, { key: b, memory: false }, signal);
  const other = { ...spec, id: `cl-${"1".repeat(25)}`, moment: a };
  await agent.createCapsule(other, signal);
  await agent.cacheMoment(ID, { key: c, memory: false }, signal);
  assert.deepEqual(await agent.cachedMoments([a, b, c], signal), [a, c], "the first was used since");
});

test("moments of a template's capsules end with the template", async (t) => {
  const host = await startAgentOnFakeMachines();
  t.after(() => host.close());
  const { agent } = host;
  await agent.createCapsule(spec, signal);
  await agent.pauseCapsule(ID, signal);
  await agent.createSnapshot(ID, { key: "tpl-1", ownPrograms: false }, signal);
  const other = { ...spec, id: `cl-${"1".repeat(25)}`, template: "tpl-1" };
  await agent.createCapsule(other, signal);
  await agent.cacheMoment(other.id, { key: a, memory: true }, signal);
  await agent.destroyCapsule(other.id, signal);
  await agent.deleteSnapshot("tpl-1", signal);
  assert.deepEqual(await agent.cachedMoments([a], signal), []);
});
