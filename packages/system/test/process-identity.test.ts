import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identifyProcess, isAlive, signalProcess } from "@wrenn/system";

test("a live process has an identity that ends with it", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? -1);
  assert.ok(identity && (await isAlive(identity)));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(await isAlive(identity), false);
});

test("the same pid with another start time is another process", async () => {
  const mine = await identifyProcess(process.pid);
  assert.ok(mine);
  assert.equal(await isAlive({ ...mine, startTime: "1" }), false);
});

test("a signal reaches the process that is meant, and no other", async () => {
  const child = spawn("sleep", ["60"]);
  await once(child, "spawn");
  const identity = await identifyProcess(child.pid ?? -1);
  assert.ok(identity);
  assert.equal(await signalProcess({ ...identity, startTime: "1" }, "SIGKILL"), false);
  assert.equal(await signalProcess(identity, "SIGTERM"), true);
  assert.deepEqual(await once(child, "exit"), [null, "SIGTERM"]);
  assert.equal(await signalProcess(identity, "SIGKILL"), false);
});

test("a process that ends between the look at it and the signal is no error", async (t) => {
  const identity = await identifyProcess(process.pid);
  assert.ok(identity);
  const failing = (code: string) => (): never => {
    throw Object.assign(new Error(code), { code });
  };
  const kill = t.mock.method(process, "kill", failing("ESRCH"));
  assert.equal(await signalProcess(identity, "SIGKILL"), false);
  kill.mock.mockImplementation(failing("EPERM"));
  await assert.rejects(signalProcess(identity, "SIGKILL"), { code: "EPERM" });
});
