import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { defined, silentLogger } from "@wrenn/core";
import { nativeParts } from "@wrenn/server";
import { createQemuHypervisor, DEFAULT_QEMU } from "@wrenn/vmm";
import type { Machine, QemuOptions } from "@wrenn/vmm";
import { machineContract } from "../../packages/vmm/test/contract/machine-contract.ts";
import type { SpecOfMachine } from "../../packages/vmm/test/contract/machine-contract.ts";
import { writeBreakingKernel } from "./breaking-kernel.ts";
import { unavailable } from "./devices.ts";
import { startOverfillingGuest } from "./overfilling-guest.ts";
import { accelerator, cacheDirectory, makeDisk, minimalArtifacts, qemu } from "./real-machines.ts";

/** Boots, under KVM, a kernel that KVM cannot continue. */
async function startBreaking(
  { directory, zygote }: { readonly directory: string; readonly zygote: QemuOptions["zygote"] },
  spec: SpecOfMachine,
  signal: AbortSignal,
): Promise<Machine> {
  const { jail, shim } = nativeParts;
  const base = {
    logger: silentLogger,
    jail,
    shim,
    cacheDirectory,
    hasRoom: async () => true,
    // The zygote forks the full QEMU only.
    ...(zygote ? { zygote, qemu: DEFAULT_QEMU } : {}),
  };
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

/** The contract of machines for QEMU, whichever way it starts them. */
export async function qemuContract(name: string, zygote?: QemuOptions["zygote"]): Promise<void> {
  const directory = await mkdtemp("/tmp/wq-");
  await chmod(directory, 0o755);
  after(() => rm(directory, { recursive: true, force: true }));
  await machineContract(`${name}-${accelerator()}`, async () => {
    const artifacts = await minimalArtifacts();
    let hasRoom = true;
    const hypervisor = await qemu(
      zygote ? DEFAULT_QEMU : undefined,
      async () => hasRoom,
      defined({ zygote }),
    );
    return {
      hypervisor,
      setRoom: (value) => void (hasRoom = value),
      broken: await qemu("/nowhere/qemu-system-x86_64", undefined, defined({ zygote })),
      directory,
      kernel: artifacts.kernel,
      initramfs: artifacts.initramfs,
      memoryMib: 256,
      makeDisk: (path, backing) => makeDisk(path, backing ?? artifacts.rootfs),
      readable: [dirname(artifacts.rootfs)],
      startOverfilling: (spec, signal) =>
        startOverfillingGuest(
          hypervisor,
          artifacts,
          { ...spec, readable: [directory, dirname(artifacts.rootfs)] },
          signal,
        ),
      ...(hasKvm
        ? { startBreaking: (spec, signal) => startBreaking({ directory, zygote }, spec, signal) }
        : {}),
    };
  });
}
