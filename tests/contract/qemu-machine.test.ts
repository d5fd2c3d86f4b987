import { chmod, mkdtemp, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { after } from "node:test";
import { machineContract } from "../../packages/vmm/test/contract/machine-contract.ts";
import { makeDisk, minimalArtifacts, qemu } from "../support/real-machines.ts";

const directory = await mkdtemp("/tmp/wq-");
await chmod(directory, 0o755);
after(() => rm(directory, { recursive: true, force: true }));

await machineContract("qemu", async () => {
  const artifacts = await minimalArtifacts();
  return {
    hypervisor: await qemu(),
    broken: await qemu("/nowhere/qemu-system-x86_64"),
    directory,
    kernel: artifacts.kernel,
    initramfs: artifacts.initramfs,
    memoryMib: 256,
    makeDisk: (path, uid, backing) => makeDisk(path, uid, backing ?? artifacts.rootfs),
    readable: [dirname(artifacts.rootfs)],
  };
});
