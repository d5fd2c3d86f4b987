/** What an identity is made of. */
export interface MachineIdentity {
  /** As the VMM names itself. */
  readonly vmm: string;
  readonly machineType: string;
  readonly accelerator: string;
  /** The CPU that guests see. */
  readonly cpu: string;
  /** Release of the host's kernel, where KVM keeps state that depends on it. */
  readonly hostKernel?: string;
  readonly devices: string;
}

/** Increased when saved states no longer fit although no part of the identity shows it. */
const REVISION = "1";
const KERNEL_MARK = "@linux-";

/** As text, which is stored next to each saved state: it never changes its form for what stays compatible. */
export function formatIdentity(identity: MachineIdentity): string {
  const { vmm, machineType, accelerator, cpu, hostKernel, devices } = identity;
  const host = hostKernel === undefined ? "" : `${KERNEL_MARK}${hostKernel}`;
  return `${vmm} ${machineType}/${accelerator}/${cpu}${host}/${devices}/${REVISION}`;
}

/** The difference between the hypervisor that saved a state and the one of this host, for people. */
export function describeDifference(saved: string, present: string): string {
  const [before, now] = [parse(saved), parse(present)];
  const names = Object.keys(titles) as (keyof typeof titles)[];
  const differing = before && now ? names.filter((name) => before[name] !== now[name]) : [];
  if (!before || !now || differing.length === 0) return `it was saved by ${saved}, here is ${present}`;
  const shown = (text: string): string => (text === "" ? "none" : text);
  return differing
    .map((name) => `${titles[name]}: it was saved with ${shown(before[name])}, here is ${shown(now[name])}`)
    .join("; ");
}

const titles = {
  vmm: "QEMU",
  machineType: "machine type",
  accelerator: "accelerator",
  cpu: "CPU",
  hostKernel: "host kernel",
  devices: "devices",
  revision: "revision of the machine",
} as const;

function parse(identity: string): Readonly<Record<keyof typeof titles, string>> | undefined {
  const match = /^(.*) ([^ /]+)\/([^/]+)\/(.*)\/([^/]*)\/([^/]*)$/.exec(identity);
  if (!match) return undefined;
  const [, vmm = "", machineType = "", accelerator = "", processor = "", devices = "", revision = ""] = match;
  const [cpu = "", hostKernel = ""] = processor.split(KERNEL_MARK);
  return { vmm, machineType, accelerator, cpu, hostKernel, devices, revision };
}
