import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { identifyProcess } from "@wrenn/system";
import { endOrphans, TEST_RUN } from "../src/testing/end-orphans.ts";

test("of a test run, processes without parents are ended: not those of other runs, not young ones", async () => {
  const run = `test-${process.pid}`;
  const shell = spawn("sh", ["-c", "sleep 300 >&- 2>&- & echo $!"], {
    env: { ...process.env, [TEST_RUN]: run },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(shell.stdout, "data")) as [Buffer];
  await once(shell, "close");
  const pid = Number(line.toString());
  assert.deepEqual(await endOrphans(`${run}0`, 0), [], "another run");
  assert.deepEqual(await endOrphans(run, 60_000), [], "young");
  assert.notEqual(await identifyProcess(pid), undefined);
  assert.deepEqual(await endOrphans(run, 0), [`${pid} sleep 300 `]);
  await eventually("the process is gone", async () => (await identifyProcess(pid)) === undefined);
});
