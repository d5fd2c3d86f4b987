import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { silentLogger } from "@wrenn/core";
import { nativeParts } from "@wrenn/server";
import { createQemuHypervisor } from "@wrenn/vmm";
import type { Machine } from "@wrenn/vmm";
import { machineContract } from "../../packages/vmm/test/contract/machine-contract.ts";
import type { SpecOfMachine } from "../../packages/vmm/test/contract/machine-contract.ts";
import { writeBreakingKernel } from "../support/breaking-kernel.ts";
import { unavailable } from "../support/devices.ts";
import { startOverfillingGuest } from "../support/overfilling-guest.ts";
import { accelerator, makeDisk, minimalArtifacts, qemu } from "../support/real-machines.ts";

const directory = await mkdtemp("/tmp/wq-");
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true, force: true }));

/** Boots, under KVM, a kernel that KVM cannot continue. */
async function startBreaking(spec: SpecOfMachine, signal: AbortSignal): Promise<Machine> {
  const { jail, shim } = nativeParts;
  const base = { logger: silentLogger, jail, shim, hasRoom: async () => true };
  const underKvm = await createQemuHypervisor({ ...base, accelerator: "kvm" });
  const at = (name: string): string => join(directory, `${spec.id}.${name}`);
  await writeBreakingKernel(at("kernel"));
  await writeFile(at("initramfs"), "never read");
  await writeFile(at("memory"), "");
  await chown(at("memory"), spec.uid, spec.gid);
  return await underKvm.boot(
    { ...spec, kernel: at("kernel"), initramfs: at("initramfs"), memoryFile: at("memory") },
    signal,
  );
}

const hasKvm = (await unavailable("/dev/kvm")) === false;

await machineContract(`qemu-${accelerator()}`, async () => {
  const artifacts = await minimalArtifacts();
  let hasRoom = true;
  const hypervisor = await qemu(undefined, async () => hasRoom);
  return {
    hypervisor,
    setRoom: (value) => void (hasRoom = value),
    broken: await qemu("/nowhere/qemu-system-x86_64"),
    directory,
    kernel: artifacts.kernel,
    initramfs: artifacts.initramfs,
    memoryMib: 256,
    makeDisk: (path, uid, backing) => makeDisk(path, uid, backing ?? artifacts.rootfs),
    readable: [dirname(artifacts.rootfs)],
    startOverfilling: (spec, signal) =>
      startOverfillingGuest(
        hypervisor,
        artifacts,
        { ...spec, readable: [directory, dirname(artifacts.rootfs)] },
        signal,
      ),
    ...(hasKvm ? { startBreaking } : {}),
  };
});
