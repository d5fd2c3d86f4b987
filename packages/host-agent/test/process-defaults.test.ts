import assert from "node:assert/strict";
import { after, test } from "node:test";
import { newId, systemClock, systemRandom, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleSpec, StartRequest } from "@wrenn/protocol";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

let offset = 0;
const clock: Clock = { ...systemClock, now: () => systemClock.now() + offset };
const lab = await startAgentOnFakeMachines({ clock });
after(() => lab.close());
const { agent } = lab;
const signal = AbortSignal.timeout(60_000);
/** One that every user may enter. */
const directory = "/usr/share";

async function output(id: string, request: Partial<StartRequest> = {}): Promise<string> {
  const whole: StartRequest = {
    cmd: "/bin/sh",
    args: ["-c", "echo $(id -un) $PWD $TOKEN $OTHER"],
    envs: {},
    stdin: false,
    output: "attached",
    ...request,
  };
  const process = await agent.processes(id).start(whole, signal);
  await process.wait(signal);
  const { stdout } = await process.held({ stdout: 0, stderr: 0 }, signal);
  return Buffer.from(stdout.bytes).toString().trim();
}

async function rejects(work: Promise<unknown>, reason: string): Promise<void> {
  await assert.rejects(work, (error) => error instanceof WrennError && error.reason === reason);
}

async function capsule(change: Partial<CapsuleSpec>): Promise<string> {
  const spec = { ...specOf(lab.template), ...change };
  await agent.createCapsule(spec, signal);
  return spec.id;
}

test("commands have user, directory and environment of their capsule, unless they name others", async () => {
  const id = await capsule({ envs: { TOKEN: "a", OTHER: "b" }, user: "daemon", cwd: directory });
  assert.equal(await output(id), `daemon ${directory} a b`);
  assert.equal(await output(id, { user: "", cwd: "" }), `daemon ${directory} a b`);
  assert.equal(await output(id, { user: "root", cwd: "/", envs: { TOKEN: "c" } }), "root / c b");
  const plain = await capsule({});
  assert.match(await output(plain, { cwd: "/" }), /^root \/$/);
});

test("a user or directory of the capsule that does not exist is found out by the command", async () => {
  const noUser = await capsule({ user: "no-such-user" });
  await rejects(output(noUser), "user_not_found");
  const noDirectory = await capsule({ cwd: "/no/such/directory" });
  await rejects(output(noDirectory), "cwd_not_found");
  assert.equal(await output(noDirectory, { cwd: "/" }), "root /");
});

test("forks, and capsules of a template, have what their source had, and their own before it", async () => {
  const id = await capsule({ envs: { TOKEN: "a", OTHER: "b" }, user: "daemon", cwd: directory });
  const child = { ...specOf(lab.template), envs: { OTHER: "c" } };
  await agent.forkCapsule(id, [child], signal);
  assert.equal(await output(child.id), `daemon ${directory} a c`);
  await agent.pauseCapsule(id, signal);
  await agent.createSnapshot(id, { key: "of-defaults", ownPrograms: false }, signal);
  const made = { ...specOf("of-defaults"), user: "root", envs: { TOKEN: "d" } };
  await agent.createCapsule(made, signal);
  assert.equal(await output(made.id), `root ${directory} d b`);
});

test("what is smaller than the disk of the template is refused, and nothing is left", async () => {
  const spec = { ...specOf(lab.template, newId("capsule", systemRandom)), diskMib: 1023 };
  await rejects(agent.createCapsule(spec, signal), "disk_too_small");
  await rejects(agent.capsule(spec.id, signal), "capsule_not_found");
});

test("a run ends where it was moved to; the next one has its whole lifetime, and its end destroys what says so", async () => {
  const id = await capsule({ maxLifetimeSec: 100 });
  const state = async (): Promise<string> => (await agent.capsule(id, signal)).state;
  await agent.changeSettings(id, { remainingSec: 1000 }, signal);
  offset += 500_000;
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.equal(await state(), "running", "its end was moved");
  offset += 600_000;
  await eventually("it is paused", async () => (await state()) === "paused");
  await agent.changeSettings(id, { onLifetimeEnd: "destroy" }, signal);
  await agent.resumeCapsule(id, signal);
  assert.equal(await state(), "running", "the move was of the run before");
  const states: string[] = [];
  const unsubscribe = agent.onChange((status) => {
    if (status.id === id) states.push(status.state);
  });
  offset += 101_000;
  await eventually("it is destroyed", () => states.includes("gone"));
  unsubscribe();
  await rejects(agent.capsule(id, signal), "capsule_not_found");
});
