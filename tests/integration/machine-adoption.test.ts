import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { readConsole } from "@wrenn/vmm";
import type { BootSpec } from "@wrenn/vmm";
import { makeDisk, minimalArtifacts, qemu } from "../support/real-machines.ts";

const uid = 199_003;
const directory = await mkdtemp("/tmp/wa-");
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true, force: true }));

test("a machine whose owner was killed is adopted: frozen, let go on, its console read, its death told", async (t) => {
  const { kernel, initramfs, rootfs } = await minimalArtifacts();
  const signal = AbortSignal.timeout(5 * 60_000);
  const disk = join(directory, "disk.qcow2");
  await makeDisk(disk, rootfs);
  const memoryFile = join(directory, "memory");
  await writeFile(memoryFile, "");
  await chown(memoryFile, uid, uid);
  const home = join(directory, "run");
  const id = `adopted-${process.pid}`;
  const readable = [directory, dirname(rootfs)];
  const shape = {
    id,
    directory: home,
    vcpus: 1,
    memoryMib: 256,
    disk,
    diskMib: 5120,
    readable,
    uid,
    gid: uid,
  };
  // A kernel that tells all about its start writes to the console for as long as this test looks.
  const spec: BootSpec = {
    ...shape,
    kernel,
    initramfs,
    memoryFile,
    commandLine: "loglevel=7 ignore_loglevel",
  };

  const program = fileURLToPath(new URL("../support/machine-owner.ts", import.meta.url));
  const owner = spawn(process.execPath, [program, JSON.stringify(spec)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(owner.stdout, "data");
  const gone = once(owner, "close");
  owner.kill("SIGKILL");
  await gone;

  const hypervisor = await qemu();
  const machine = await hypervisor.adopt(home, signal);
  assert.ok(machine);
  t.after(() => machine.destroy());
  assert.equal((await machine.memoryRegion(signal)).size, 256 << 20);
  const written = async (): Promise<number> => {
    const read = await readConsole(home, () => ({ from: 0, most: 1 }));
    return (read?.start ?? 0) + (read?.bytes.length ?? 0);
  };
  const before = await written();
  await eventually("the console goes on without its first owner", async () => (await written()) > before);
  await machine.stop(signal);
  const state = join(directory, "state");
  await machine.saveDeviceState(state, signal);
  assert.ok((await stat(state)).size > 0);
  await machine.resume(signal);
  process.kill(machine.process.pid, "SIGKILL");
  const death = await machine.death;
  assert.equal(death.kind, "crashed");
  assert.match(death.detail, /signal 9/);
  await assert.rejects(machine.stop(signal), (error) => WrennError.is(error, "machine_died"));
  assert.equal(await hypervisor.adopt(home, signal), undefined);
});
