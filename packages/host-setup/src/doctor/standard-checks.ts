import type { AcceleratorChoice, MachineStartMode } from "@wrenn/vmm";
import { cgroupsCheck } from "./cgroups.ts";
import type { Check } from "./check.ts";
import { clockCheck } from "./clock.ts";
import { diskCheck } from "./disk.ts";
import { kernelCheck } from "./kernel.ts";
import { kvmCheck } from "./kvm.ts";
import { localhostNamesCheck } from "./localhost-names.ts";
import { machineStartCheck } from "./machine-start.ts";
import { memoryCheck } from "./memory.ts";
import { nftablesCheck } from "./nftables.ts";
import { nodeCheck } from "./node.ts";
import { packagesCheck } from "./packages.ts";
import { qemuCheck } from "./qemu.ts";
import { swapCheck } from "./swap.ts";
import { tapCheck } from "./tap.ts";
import { tscCheck } from "./tsc.ts";
import { userNamespacesCheck } from "./user-namespaces.ts";
import { userfaultfdCheck } from "./userfaultfd.ts";

/** Every check of the host itself, in the order in which their remedies are best applied. */
export function standardChecks(places: {
  /** Where templates, disks and snapshots go. */
  readonly dataDirectory: string;
  /** The built native/kvm-probe. */
  readonly kvmProbe: string;
  /** What the configuration demands that machines run on. */
  readonly accelerator: AcceleratorChoice;
  /** The built native/zygote and native/mmap-shim. */
  readonly libraries: { readonly zygote: string; readonly shim: string };
  /** How the configuration demands that machines start. */
  readonly machineStart: MachineStartMode;
}): readonly Check[] {
  return [
    kernelCheck,
    nodeCheck,
    packagesCheck,
    qemuCheck,
    kvmCheck(places.kvmProbe, places.accelerator),
    tscCheck(places.kvmProbe),
    machineStartCheck(places.libraries, places.machineStart),
    userNamespacesCheck,
    cgroupsCheck,
    nftablesCheck,
    tapCheck,
    userfaultfdCheck,
    diskCheck(places.dataDirectory),
    memoryCheck,
    swapCheck,
    clockCheck,
    localhostNamesCheck,
  ];
}
