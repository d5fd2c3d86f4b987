import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { test } from "node:test";
import { bootCheck, hostProbe } from "@wrenn/host-setup";

const signal = new AbortController().signal;

test("the boot check starts no machine after an earlier check failed", async () => {
  const startAgent = () => assert.fail("an agent was started");
  const finding = await bootCheck({ startAgent, possible: false }).inspect(hostProbe, signal);
  assert.deepEqual([finding.status, finding.found], ["fail", "not tried"]);
});

test("the boot check reports why no agent starts, and removes its directory", async () => {
  let used = "";
  const startAgent = async (directory: string): Promise<never> => {
    await access(directory);
    used = directory;
    throw new Error("no TAP device");
  };
  const finding = await bootCheck({ startAgent, possible: true }).inspect(hostProbe, signal);
  assert.deepEqual([finding.status, finding.found], ["fail", "no TAP device"]);
  await assert.rejects(access(used), { code: "ENOENT" });
});
