/* Drawn: packages/host-agent/test shows the same on fake machines. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { operationSteps } from "@wrenn/host-agent";
import { findLeftovers } from "@wrenn/system";
import { ChangingMemory } from "../support/changing-memory.ts";
import { assertClock } from "../support/guest-clock.ts";
import { leftSince } from "../support/left-of-capsules.ts";
import { ParkedMachines } from "../support/parked-machines.ts";
import { ServerProcess } from "../support/server-process.ts";

/*
 * The server is killed while machines of paused capsules are parked, and before steps of their resumes. The next one ends those
 * machines: their capsules are paused, and resume from disk with the memory of their pause.
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const SEED = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);

let server: ServerProcess;
let parked: ParkedMachines;
let leftBefore: readonly string[];
before(async () => {
  leftBefore = await findLeftovers();
  process.env["WRENN_PARKED_MACHINES"] = "4";
  server = await ServerProcess.start();
  parked = new ParkedMachines(server);
});
after(async () => {
  await server.close();
  assert.deepEqual(await leftSince(leftBefore), []);
});

/** A capsule whose machine is parked. */
async function parkedCapsule(): Promise<{ readonly id: string; readonly memory: ChangingMemory }> {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  const memory = await ChangingMemory.start(() => server.api, id, SEED);
  await parked.park(id);
  return { id, memory };
}

async function goesOnFromDisk(id: string, memory: ChangingMemory): Promise<void> {
  await parked.ended(id);
  assert.equal(await parked.metric("wrenn_parked_machines"), 0);
  await parked.resume(id);
  await assertClock(server.api, id, "resumed after the server was killed");
  await memory.check();
  // And the machine of that may be parked again.
  await parked.resumeParked(id, await parked.park(id));
  await memory.check();
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
}

test("a server that is killed with a parked machine leaves a capsule that resumes from disk", async () => {
  const { id, memory } = await parkedCapsule();
  await server.kill();
  assert.ok(await parked.of(id), "the machine outlives the server");
  await server.start();
  await goesOnFromDisk(id, memory);
});

test("a server that is killed before the release of a pause leaves no machine", async () => {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  const memory = await ChangingMemory.start(() => server.api, id, SEED);
  await server.crashAt("pause:release");
  await assert.rejects(server.api.call("POST", `/v1/capsules/${id}/pause`));
  await server.gone();
  await server.crashAt("");
  await server.start();
  await goesOnFromDisk(id, memory);
});

for (const [at, step] of operationSteps.resume.entries()) {
  const isSkipped = !LONG && at % 3 !== SEED % 3;
  const options = { timeout: 120_000, skip: isSkipped && `not drawn by seed ${SEED}; --long takes all` };
  test(`the server is killed before step "${step}" of the resume of a parked machine`, options, async () => {
    const { id, memory } = await parkedCapsule();
    await server.crashAt(`resume:${step}`);
    await assert.rejects(server.api.call("POST", `/v1/capsules/${id}/resume`));
    await server.gone();
    await server.crashAt("");
    await server.start();
    await goesOnFromDisk(id, memory);
  });
}
