import assert from "node:assert/strict";
import { chmod, chown, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { nativeParts } from "@wrenn/server";
import { createQemuHypervisor, DEFAULT_QEMU } from "@wrenn/vmm";
import type { Machine } from "@wrenn/vmm";
import { writeSpinningKernel } from "../support/breaking-kernel.ts";
import { unavailable } from "../support/devices.ts";
import { cacheDirectory, makeDisk } from "../support/real-machines.ts";

/* Machines under KVM with the filter for it, on every host that has KVM: the guest is a loop of two bytes. */

const { jail, shim } = nativeParts;
const signal = AbortSignal.timeout(3 * 60_000);
const skip = await unavailable("/dev/kvm");
const uid = 199_071;
const memoryMib = 64;
let directory = "";

const at = (name: string): string => join(directory, name);

async function filtersOf({ process }: Machine): Promise<number> {
  const status = await readFile(`/proc/${process.pid}/status`, "utf8");
  return Number(/^Seccomp_filters:\s+(\d+)$/m.exec(status)?.[1]);
}

suite("a machine under KVM", { skip }, () => {
  before(async () => {
    directory = await mkdtemp("/tmp/wk-");
    await chmod(directory, 0o755);
    await writeSpinningKernel(at("kernel"));
    await writeFile(at("initramfs"), "never read");
    await writeFile(at("base.raw"), "");
    await truncate(at("base.raw"), 2 ** 20);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  const programs = { "the QEMU that is chosen": undefined, "Debian's full QEMU": DEFAULT_QEMU } as const;
  for (const [name, program] of Object.entries(programs)) {
    test(`of ${name} boots, is stopped, saved, restored and continued under its filter`, async () => {
      const base = { logger: silentLogger, jail, shim, cacheDirectory, hasRoom: async () => true };
      const qemu = program === undefined ? {} : { qemu: program };
      const hypervisor = await createQemuHypervisor({ ...base, accelerator: "kvm", ...qemu });
      const specOf = async (id: string) => {
        await mkdir(at(`${id}.disk`));
        const disk = at(`${id}.disk/disk.qcow2`);
        await makeDisk(disk, at("base.raw"));
        const own = { id, uid, gid: uid, directory: at(`${id}.run`), disk, diskMib: 5120 };
        return { ...own, memoryMib, vcpus: 2, readable: [at("base.raw")] };
      };
      const prefix = program === undefined ? "chosen" : "full";
      const memoryFile = at(`${prefix}.memory`);
      await writeFile(memoryFile, "");
      await chown(memoryFile, uid, uid);
      const booted = await hypervisor.boot(
        {
          ...(await specOf(`${prefix}-${process.pid}-1`)),
          kernel: at("kernel"),
          initramfs: at("initramfs"),
          memoryFile,
        },
        signal,
      );
      const own = program === undefined ? [1, 2] : [2];
      assert.ok(own.includes(await filtersOf(booted)));
      await booted.stop(signal);
      await booted.saveDeviceState(at(`${prefix}.state`), signal);
      await booted.resume(signal);
      await booted.destroy();

      const restored = await hypervisor.restore(
        {
          ...(await specOf(`${prefix}-${process.pid}-2`)),
          memoryFile,
          deviceState: at(`${prefix}.state`),
        },
        signal,
      );
      await restored.resizeDisk(6 * 2 ** 30, signal);
      await restored.stop(signal);
      await restored.saveDeviceState(at(`${prefix}.again`), signal);
      await restored.resume(signal);
      assert.equal(restored.stall, undefined);
      await restored.destroy();
    });
  }
});
