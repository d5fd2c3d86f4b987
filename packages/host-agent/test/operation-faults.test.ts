import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { exists } from "@wrenn/system";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(240_000);
const released: number[] = [];
let destroyFailures = 0;
/** Ends the last machine that could not be ended. */
let endRefused = async (): Promise<void> => {};
let failingStep: string | undefined;
/** Default: every capsule. */
let failingCapsule: string | undefined;
const host = await startAgentOnFakeMachines({
  onSlotRelease: ({ number }) => released.push(number),
  onStep: (id, _operation, step) => {
    const isMeant = failingCapsule === undefined || failingCapsule === id;
    if (isMeant && step === failingStep) throw new Error(`no ${step}`);
  },
  onMachine: (machine) => {
    const destroy = machine.destroy.bind(machine);
    Object.assign(machine, {
      destroy: async () => {
        if (destroyFailures-- <= 0) return await destroy();
        endRefused = destroy;
        throw new Error("the process cannot be ended");
      },
    });
  },
});
after(() => host.close());
const { agent, template } = host;

const filesOf = (id: string): string => join(host.root, "capsules", id);

test("a create leaves the files of a capsule alone that has its id and is not known", async () => {
  const spec = specOf(template);
  // As a capsule whose record could not be read at the start.
  await mkdir(join(filesOf(spec.id), "generations"), { recursive: true });
  await writeFile(join(filesOf(spec.id), "capsule.json"), "damaged");
  await assert.rejects(agent.createCapsule(spec, signal), { name: "WrennError", reason: "capsule_busy" });
  assert.deepEqual(await readdir(filesOf(spec.id)), ["capsule.json", "generations"]);
  assert.equal(await readFile(join(filesOf(spec.id), "capsule.json"), "utf8"), "damaged");
});

test("a checkpoint that fails before it stops anything keeps no disk layer", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const nextOverlay = join(filesOf(id), "disk", "1.qcow2");
  await mkdir(nextOverlay);
  await assert.rejects(agent.checkpointCapsule(id, undefined, signal));
  assert.equal((await host.layers.collect(() => new Set())).length, 1);
  await rmdir(nextOverlay);
  await agent.checkpointCapsule(id, undefined, signal);
  await agent.destroyCapsule(id, signal);
});

test("a pause whose machine cannot be ended at once is one, and gives its slot back later", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const { length } = released;
  destroyFailures = 1;
  assert.equal((await agent.pauseCapsule(id, signal)).state, "paused");
  assert.equal(await exists(join(filesOf(id), "run")), true);
  assert.equal(released.length, length, "a machine that lives shares its slot with no other");
  await eventually("the slot is released", () => released.length === length + 1);
  assert.equal(await exists(join(filesOf(id), "run")), false);
  assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
});

test("a create that fails gives its slot back, unless its machine cannot be ended", async () => {
  const { length } = released;
  failingStep = "identity";
  await assert.rejects(agent.createCapsule(specOf(template), signal), /no identity/);
  assert.equal(released.length, length + 1);
  destroyFailures = 1;
  await assert.rejects(agent.createCapsule(specOf(template), signal));
  failingStep = undefined;
  assert.equal(released.length, length + 1, "a machine that lives shares its slot with no other");
  await endRefused();
});

test("a fork whose child cannot be started leaves none, or all others where each is started by itself", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const children = [specOf(template), specOf(template), specOf(template)];
  const [first, failing, last] = children.map((child) => child.id);
  [failingStep, failingCapsule] = ["identity", failing];
  await assert.rejects(agent.forkCapsule(id, children, signal), /no identity/);
  const isLeft = async (child: string | undefined): Promise<boolean> =>
    (await agent.listCapsules(signal)).some((one) => one.id === child);
  for (const child of [first, failing, last]) assert.equal(await isLeft(child), false);
  const { length } = released;
  const started = await agent.forkEach(id, children, signal);
  [failingStep, failingCapsule] = [undefined, undefined];
  assert.deepEqual(
    started.map((one) => [one.id, one.state]),
    [
      [first, "running"],
      [failing, "failed"],
      [last, "running"],
    ],
  );
  assert.match(started[1]?.problem ?? "", /no identity/);
  assert.deepEqual([await isLeft(first), await isLeft(failing), await isLeft(last)], [true, false, true]);
  assert.equal(released.length, length + 1);
  for (const one of [id, first, last]) await agent.destroyCapsule(one ?? "", signal);
});

test("a host agent ends although it still tries to end a machine", { timeout: 20_000 }, async () => {
  let fails = false;
  const stubborn = await startAgentOnFakeMachines({
    onMachine: (machine) => {
      const destroy = machine.destroy.bind(machine);
      Object.assign(machine, {
        destroy: async () => {
          await destroy();
          if (fails) throw new Error("its directory cannot be removed");
        },
      });
    },
  });
  const spec = specOf(stubborn.template);
  const { id } = await stubborn.agent.createCapsule(spec, signal);
  fails = true;
  await stubborn.agent.pauseCapsule(id, signal);
  await stubborn.agent.close("leave");
  await rm(stubborn.root, { recursive: true });
});

test("a host agent ends although it still compacts a disk", { timeout: 20_000 }, async () => {
  const flattening = Promise.withResolvers<void>();
  const busy = await startAgentOnFakeMachines({
    flatten: async (_source, _target, inner) => {
      flattening.resolve();
      await once(inner, "abort");
      throw inner.reason;
    },
  });
  const spec = specOf(busy.template);
  const { id } = await busy.agent.createCapsule(spec, signal);
  for (let layer = 0; layer < 8; layer++) await busy.agent.checkpointCapsule(id, undefined, signal);
  await busy.agent.pauseCapsule(id, signal);
  await flattening.promise;
  await busy.close();
});

test("a capsule whose machine cannot be ended keeps its slot until it is destroyed again", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const { length } = released;
  destroyFailures = 1;
  await assert.rejects(agent.destroyCapsule(id, signal), /the process cannot be ended/);
  assert.equal(released.length, length, "a machine that lives shares its slot with no other");
  await agent.destroyCapsule(id, signal);
  assert.equal(released.length, length + 1);
  assert.equal(await exists(filesOf(id)), false);
});

test("a loop of checkpoints that are deleted at once ends at a number of disk layers, which a pause makes one", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const loop = async (): Promise<void> => {
    const checkpoint = await agent.checkpointCapsule(id, undefined, signal);
    await agent.deleteCheckpoint(id, checkpoint.id, signal);
  };
  for (let n = 0; n < 128; n++) await loop();
  const refused = { reason: "too_many_layers", message: /128 layers, and 128 are the most/ };
  await assert.rejects(loop(), refused);
  await assert.rejects(agent.forkCapsule(id, [specOf(template)], signal), refused);
  const layersOf = async (): Promise<number | undefined> =>
    (await agent.storage(signal)).capsules.find((capsule) => capsule.id === id)?.layers.length;
  assert.equal(await layersOf(), 128);
  await agent.pauseCapsule(id, signal);
  await eventually("the layers are one", async () => (await layersOf()) === 1);
  await agent.resumeCapsule(id, signal);
  await loop();
  // The remedy also for one that does not wait for what follows a pause.
  for (let n = 0; n < 126; n++) await loop();
  await assert.rejects(loop(), refused);
  await agent.pauseCapsule(id, signal);
  await agent.resumeCapsule(id, signal);
  await loop();
  await agent.destroyCapsule(id, signal);
});

test("a capsule that is resumed right after each pause has a bounded number of disk layers", async () => {
  const { id } = await agent.createCapsule(specOf(template), signal);
  const layersOf = async (): Promise<number> =>
    (await agent.storage(signal)).capsules.find((capsule) => capsule.id === id)?.layers.length ?? 0;
  let most = 0;
  for (let n = 0; n < 200; n++) {
    // Both are queued before anything that a pause leaves to be done later.
    await Promise.all([agent.pauseCapsule(id, signal), agent.resumeCapsule(id, signal)]);
    most = Math.max(most, await layersOf());
  }
  assert.ok(most <= 129, `${most} layers`);
  await agent.pauseCapsule(id, signal);
  await agent.resumeCapsule(id, signal);
  await agent.destroyCapsule(id, signal);
});
