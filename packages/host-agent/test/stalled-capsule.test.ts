import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { StepObserver } from "@wrenn/host-agent";
import { setFakeFault } from "@wrenn/vmm";
import type { FakeFault } from "@wrenn/vmm";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
let lab: AgentOnFakeMachines;
let onStep: StepObserver = () => {};
/** Capsules whose connections to ports were ended. */
const ended: string[] = [];

before(async () => {
  lab = await startAgentOnFakeMachines({
    onStep: (...step) => onStep(...step),
    onConnectionsEnd: (id) => void ended.push(id),
  });
});
after(() => lab.close());

const fault = (id: string, what?: FakeFault): Promise<void> =>
  setFakeFault({ directory: lab.machineDirectory(id) }, what);

async function answers(id: string): Promise<void> {
  const process = await lab.agent
    .processes(id)
    .start({ cmd: "true", args: [], envs: {}, stdin: false, output: "detached" }, signal);
  assert.equal((await process.wait(signal)).exitCode, 0);
}

test("while the host's disk is full a capsule waits: it says why, nothing of it is saved, and it continues", async () => {
  const id = "cl-full";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  const seen: (string | undefined)[] = [];
  const unsubscribe = lab.agent.onChange((status) => seen.push(status.problem));
  await fault(id, "disk_full");
  const { state, problem } = await eventually("the capsule says why it waits", async () => {
    const status = await lab.agent.capsule(id, signal);
    return status.problem === undefined ? undefined : status;
  });
  assert.equal(state, "running");
  assert.match(problem ?? "", /no space left/);
  const full = { reason: "disk_full" };
  await assert.rejects(lab.agent.pauseCapsule(id, signal), full);
  await assert.rejects(lab.agent.checkpointCapsule(id, undefined, signal), full);
  await assert.rejects(lab.agent.forkCapsule(id, [specOf("minimal", "cl-child")], signal), full);
  assert.equal((await lab.agent.capsule(id, signal)).state, "running");
  assert.deepEqual(await lab.agent.listCheckpoints(id, signal), []);

  const waiting = answers(id);
  await fault(id);
  await waiting;
  await eventually("the problem is over", async () => {
    return (await lab.agent.capsule(id, signal)).problem === undefined;
  });
  assert.ok(seen.some((text) => /no space left/.test(text ?? "")));
  assert.equal(seen.at(-1), undefined);
  unsubscribe();
  await lab.agent.pauseCapsule(id, signal);
  assert.equal((await lab.agent.resumeCapsule(id, signal)).state, "running");
  await answers(id);
  assert.deepEqual(ended, [], "connections of a capsule that waits stay");
  await lab.agent.destroyCapsule(id, signal);
  assert.deepEqual(ended, [id]);
});

for (const step of ["quiesce", "stop", "device-state"] as const) {
  test(`a disk that becomes full at step ${step} of a pause fails it, and the capsule continues when there is room`, async () => {
    const id = `cl-at-${step}`;
    await lab.agent.createCapsule(specOf("minimal", id), signal);
    await lab.agent.pauseCapsule(id, signal);
    await lab.agent.resumeCapsule(id, signal);
    const before = await lab.agent.listCheckpoints(id, signal);
    onStep = async (_id, operation, name) => {
      if (operation !== "pause" || name !== step) return;
      await fault(id, "disk_full");
      // A machine that is stopped already writes nothing.
      if (step === "device-state") throw new Error("the host's disk is full");
      await eventually("the machine is stalled", async () => (await lab.agent.capsule(id, signal)).problem);
    };
    await assert.rejects(
      lab.agent.pauseCapsule(id, signal),
      step === "device-state" ? /full/ : { reason: "disk_full" },
    );
    onStep = () => {};
    assert.equal((await lab.agent.capsule(id, signal)).state, "running");
    assert.deepEqual(await lab.agent.listCheckpoints(id, signal), before);
    const waiting = answers(id);
    await fault(id);
    await waiting;
    await lab.agent.pauseCapsule(id, signal);
    await lab.agent.destroyCapsule(id, signal);
  });
}

test("a capsule whose machine the VMM gives up has failed, with the cause, and holds nothing", async () => {
  const id = "cl-broken";
  await lab.agent.createCapsule(specOf("minimal", id), signal);
  await fault(id, "broken");
  const { problem } = await eventually("the capsule has failed", async () => {
    const status = await lab.agent.capsule(id, signal);
    return status.state === "failed" ? status : undefined;
  });
  assert.match(problem ?? "", /machine died: the VMM gave up the machine/);
  assert.equal(ended.at(-1), id, "its connections to ports are ended");
  await lab.agent.destroyCapsule(id, signal);
});
