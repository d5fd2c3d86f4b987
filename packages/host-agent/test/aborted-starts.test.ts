import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
/** Resumes do not go beyond their first step while this is pending. */
const others = Promise.withResolvers<void>();
/** As many machines as start at a time on the host of this test. */
const TURNS = 4;
const released: number[] = [];
const host = await startAgentOnFakeMachines({
  warmMachines: 1,
  freeMemoryMib: () => 1000,
  onStep: async (_id, operation, step) => {
    if (operation === "resume" && step === "slot") await others.promise;
  },
  onSlotRelease: ({ number }) => released.push(number),
});
after(() => host.close());
const { agent, template } = host;

test("a create that is aborted while it waits for its turn leaves no machine that waited for it", async () => {
  const ids: string[] = [];
  for (let turn = 0; turn < TURNS; turn++) {
    const { id } = await agent.createCapsule(specOf(template), signal);
    await agent.pauseCapsule(id, signal);
    ids.push(id);
  }
  await eventually("a machine waits", async () => (await agent.waitingMachines()).count === 1);
  const waiting = (await readdir(join(host.root, "capsules"))).filter((name) => name.startsWith("p-"));
  assert.equal(waiting.length, 1);
  const resumes = ids.map((id) => agent.resumeCapsule(id, signal));
  const aborting = new AbortController();
  const create = agent.createCapsule(specOf(template), aborting.signal);
  await eventually("the machine is taken", async () => (await agent.waitingMachines()).count === 0);
  const before = released.length;
  aborting.abort(new Error("given up"));
  await assert.rejects(create, /given up/);
  assert.equal(released.length, before + 1, "its slot was given back");
  const left = await readdir(join(host.root, "capsules"));
  assert.deepEqual(
    left.filter((name) => waiting.includes(name)),
    [],
  );
  others.resolve();
  await Promise.all(resumes);
});
