import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after } from "node:test";
import { createFakeHypervisor, setFakeFault } from "@wrenn/vmm";
import type { Machine } from "@wrenn/vmm";
import { machineContract } from "./contract/machine-contract.ts";
import type { SpecOfMachine } from "./contract/machine-contract.ts";

const agent = join(import.meta.dirname, "../../../native/guest-agent/build/wrenn-guest-agent");
const directory = await mkdtemp("/tmp/wf-");
after(() => rm(directory, { recursive: true, force: true }));

await machineContract("fake", async () => {
  const file = async (name: string): Promise<string> => {
    await writeFile(join(directory, name), name);
    return join(directory, name);
  };
  let hasRoom = true;
  const hypervisor = createFakeHypervisor(agent, async () => hasRoom);
  const files = { kernel: await file("kernel"), initramfs: await file("initramfs") };
  const boot = (spec: SpecOfMachine, signal: AbortSignal): Promise<Machine> =>
    hypervisor.boot({ ...spec, ...files, memoryFile: join(directory, `${spec.id}.memory`) }, signal);
  return {
    hypervisor,
    setRoom: (value) => void (hasRoom = value),
    broken: createFakeHypervisor("/nowhere/agent"),
    directory,
    ...files,
    memoryMib: 64,
    makeDisk: (path) => writeFile(path, "disk"),
    readable: [],
    startOverfilling: async (spec, signal) => {
      const machine = await boot(spec, signal);
      await setFakeFault(machine, "disk_full");
      return {
        machine,
        makeRoom: () => setFakeFault(machine),
        written: Promise.resolve(),
        [Symbol.asyncDispose]: () => machine.destroy(),
      };
    },
    startBreaking: async (spec, signal) => {
      const machine = await boot(spec, signal);
      await setFakeFault(machine, "broken");
      return machine;
    },
  };
});
