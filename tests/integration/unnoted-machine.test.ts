import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { exists } from "@wrenn/system";
import { openCgroups } from "@wrenn/vmm";
import { qemu } from "../support/real-machines.ts";

const directory = await mkdtemp(join(tmpdir(), "wrenn-unnoted-"));
after(() => rm(directory, { recursive: true, force: true }));

test("a machine that runs without a record, because its owner was killed while it started, is cleared with its processes", async () => {
  const id = `unnoted-${process.pid}`;
  const cgroups = await openCgroups();
  const joinedBy = await cgroups.create(id, { memoryBytes: 64 << 20, processes: 8, cpu: 1 });
  const child = spawn("/bin/sleep", ["600"], { stdio: "ignore" });
  after(() => child.kill("SIGKILL"));
  for (const file of joinedBy) await writeFile(file, String(child.pid));
  const run = join(directory, "run");
  await mkdir(run);
  const hypervisor = await qemu();
  const signal = AbortSignal.timeout(60_000);
  assert.equal(await hypervisor.adopt(run, signal), undefined, "there is no record to adopt it by");
  const ended = once(child, "exit");
  await hypervisor.clear(id, run);
  assert.deepEqual(await ended, [null, "SIGKILL"]);
  for (const file of joinedBy) assert.equal(await exists(join(file, "..")), false);
  assert.equal(await exists(run), false);
  // Nothing is left to clear, and that is no error.
  await hypervisor.clear(id, run);
});
