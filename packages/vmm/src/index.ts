export { probeAccelerator, readFinding } from "./accelerator.ts";
export type { Accelerator } from "./accelerator.ts";
export type * from "./hypervisor.ts";
export { listGroups, openCgroups } from "./jail/cgroups.ts";
export type { Cgroups, ResourceLimits } from "./jail/cgroups.ts";
export { createFakeHypervisor } from "./fake/fake-hypervisor.ts";
export { createQemuHypervisor } from "./qemu/qemu-hypervisor.ts";
export type { QemuOptions } from "./qemu/qemu-hypervisor.ts";
export { readTscKhz } from "./tsc-frequency.ts";
