import type { BootSpec } from "@wrenn/vmm";
import { qemu } from "./real-machines.ts";

// Boots the machine whose spec is the argument, says so, and stays until it is killed.
const spec = JSON.parse(process.argv[2] ?? "") as BootSpec;
const hypervisor = await qemu();
await hypervisor.boot(spec, AbortSignal.timeout(60_000));
process.stdout.write("started\n");
setInterval(() => {}, 60_000);
