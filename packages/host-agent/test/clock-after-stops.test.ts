import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { systemClock } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { operationSteps } from "@wrenn/host-agent";
import type { StepObserver } from "@wrenn/host-agent";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import { SimulatedClocks } from "./support/simulated-clocks.ts";

/** As long as a machine stands still at least: well beyond what a clock may be off afterwards. */
const STOP_MS = 120;
const TOLERANCE_MS = 50;
const signal = AbortSignal.timeout(120_000);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The time of this machine, whose wall clock may jump. */
class JumpingClock implements Clock {
  jumpedMs = 0;
  readonly now = (): number => systemClock.now() + this.jumpedMs;
  readonly monotonic = (): number => systemClock.monotonic();
  readonly sleep = (ms: number, aborted?: AbortSignal): Promise<void> => systemClock.sleep(ms, aborted);
}

async function start(onStep: StepObserver, clock: Clock = systemClock) {
  const clocks = new SimulatedClocks(clock);
  const { onMachine, onGuest } = clocks;
  const host = await startAgentOnFakeMachines({ clock, onStep, onMachine, onGuest });
  after(() => host.close());
  const { id } = await host.agent.createCapsule(specOf(host.template), signal);
  return { ...host, id, clocks };
}

/** No user's process has run with a wrong clock, and none is left frozen. */
function assertClocks({ ahead, aheadAtThaw }: SimulatedClocks, what: string): void {
  for (const ms of [...ahead, ...aheadAtThaw])
    assert.ok(Math.abs(ms) <= TOLERANCE_MS, `${what}: a clock was ${ms} ms ahead`);
}

test("after checkpoints, forks, pauses and restored checkpoints clocks are right before users' processes run", async () => {
  const { agent, id, template, clocks } = await start(async (_id, _operation, step) => {
    if (step === "memory") await pause(STOP_MS);
  });
  assertClocks(clocks, "create");
  let kept = "";
  for (let n = 0; n < 8; n++) kept = (await agent.checkpointCapsule(id, undefined, signal)).id;
  assert.equal(clocks.aheadAtThaw.length, 8);
  assertClocks(clocks, "checkpoints");
  const child = specOf(template);
  await agent.forkCapsule(id, [child], signal);
  assertClocks(clocks, "fork");
  await agent.pauseCapsule(child.id, signal);
  await agent.resumeCapsule(child.id, signal);
  await agent.restoreCheckpoint(id, kept, signal);
  assert.equal(clocks.aheadAtThaw.length, 8 + 2 + 1 + 1, "one for each stop of users' processes");
  assertClocks(clocks, "resume");
});

test("an operation that fails at any step lets the capsule run on with the right clock", async () => {
  let failing = "";
  const { agent, id, clocks } = await start(async (_id, operation, step) => {
    if (step === "device-state") await pause(STOP_MS);
    if (`${operation} ${step}` === failing) throw new Error(failing);
  });
  const { pause: pausing, checkpoint } = operationSteps;
  const steps = [
    // What comes after its commit does not fail a pause.
    ...pausing.slice(0, pausing.indexOf("release")).map((step) => `pause ${step}`),
    ...checkpoint.map((step) => `checkpoint ${step}`),
  ];
  for (const step of steps) {
    failing = step;
    const thawed = clocks.aheadAtThaw.length;
    const work = step.startsWith("pause")
      ? agent.pauseCapsule(id, signal)
      : agent.checkpointCapsule(id, undefined, signal);
    await assert.rejects(work, new RegExp(step));
    assert.equal((await agent.capsule(id, signal)).state, "running", step);
    if (!step.endsWith("quiesce")) assert.equal(clocks.aheadAtThaw.length, thawed + 1, `thaws of ${step}`);
    assertClocks(clocks, step);
    await agent.processes(id).list(signal);
  }
});

test("an aborted checkpoint whose guest is slow to take its time leaves nothing frozen", async () => {
  const clocks = new SimulatedClocks(systemClock);
  let slow = false;
  const host = await startAgentOnFakeMachines({
    onMachine: clocks.onMachine,
    onGuest: (link, machine) => {
      clocks.onGuest(link, machine);
      const configure = link.configure.bind(link);
      Object.assign(link, {
        configure: async (...request: Parameters<typeof configure>) => {
          if (slow) await pause(500);
          slow = false;
          return await configure(...request);
        },
      });
    },
    onStep: (_id, _operation, step) => {
      slow = step === "continue";
    },
  });
  after(() => host.close());
  const { agent, template } = host;
  const { id } = await agent.createCapsule(specOf(template), signal);
  await assert.rejects(agent.checkpointCapsule(id, undefined, AbortSignal.timeout(250)), /timeout/);
  assert.equal(clocks.aheadAtThaw.length, 1);
  assertClocks(clocks, "abort");
});

test("a pause that was interrupted by the end of the server runs on with the right clock", async () => {
  const clock = systemClock;
  const clocks = new SimulatedClocks(clock);
  const { onMachine, onGuest } = clocks;
  const first = await startAgentOnFakeMachines({
    clock,
    onGuest,
    onMachine: (machine) => {
      onMachine(machine);
      // Without a server: between the stop of the machine and the next start.
      const release = machine.release.bind(machine);
      Object.assign(machine, {
        release: async () => {
          await machine.stop(signal);
          await release();
        },
      });
    },
  });
  const { id } = await first.agent.createCapsule(specOf(first.template), signal);
  await first.agent.close("leave");
  const journal = join(first.root, "capsules", id, "journal.json");
  assert.match(await readFile(journal, "utf8"), /none/);
  await writeFile(journal, JSON.stringify({ operation: "pause", step: "memory", at: clock.now() }));
  await pause(STOP_MS);
  const second = await startAgentOnFakeMachines({ clock, root: first.root, onMachine, onGuest });
  after(() => second.close());
  assert.equal((await second.agent.capsule(id, signal)).state, "running");
  assert.equal(clocks.aheadAtThaw.length, 1);
  assertClocks(clocks, "recovery");
});

test("after a suspend of the host, or a step of its clock, guests have its time within seconds", async () => {
  const clock = new JumpingClock();
  const { agent, id, clocks } = await start(() => {}, clock);
  const before = (await agent.capsule(id, signal)).lastActiveAt;
  for (const jumpedMs of [7_200_000, 7_199_800]) {
    clock.jumpedMs = jumpedMs;
    assert.ok(clocks.ahead.some((ms) => Math.abs(ms) > TOLERANCE_MS));
    const isRight = (): boolean => clocks.ahead.every((ms) => Math.abs(ms) <= TOLERANCE_MS);
    await eventually("the clocks are right", isRight, { timeoutMs: 5000 });
  }
  assert.equal((await agent.capsule(id, signal)).lastActiveAt, before, "that does not count as use");
});
