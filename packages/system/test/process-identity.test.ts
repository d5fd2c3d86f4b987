import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identifyProcess, isAlive } from "@wrenn/system";

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
