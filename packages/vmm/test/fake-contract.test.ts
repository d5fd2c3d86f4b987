import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { createFakeHypervisor } from "@wrenn/vmm";
import { machineContract } from "./contract/machine-contract.ts";

const agent = join(import.meta.dirname, "../../../native/guest-agent/build/wrenn-guest-agent");
const directory = await mkdtemp("/tmp/wf-");
after(() => rm(directory, { recursive: true, force: true }));

await machineContract("fake", async () => {
  const file = async (name: string): Promise<string> => {
    await writeFile(join(directory, name), name);
    return join(directory, name);
  };
  return {
    hypervisor: createFakeHypervisor(agent),
    broken: createFakeHypervisor("/nowhere/agent"),
    directory,
    kernel: await file("kernel"),
    initramfs: await file("initramfs"),
    memoryMib: 64,
    makeDisk: (path) => writeFile(path, "disk"),
    readable: [],
  };
});
