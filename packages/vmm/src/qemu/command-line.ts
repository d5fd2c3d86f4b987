import { FIRST_DESCRIPTOR } from "../jail/jailed-program.ts";
import type { JailedDescriptor } from "../jail/jailed-program.ts";
import type { BootSpec, MachineSpec, RestoreSpec } from "../hypervisor.ts";

/** Names inside a machine's directory. */
export const machineFiles = {
  qmp: "qmp.sock",
  interactive: "interactive.sock",
  bulk: "bulk.sock",
  process: "machine.json",
  exit: "exit.json",
  record: "record.json",
  /** Exists while the server has stalled the machine. */
  stalled: "stalled",
} as const;

export type AcceleratorSettings =
  | {
      readonly accelerator: "kvm";
      /** A CPU model of QEMU that all hosts of a fleet can offer; the host's own CPU by default. */
      readonly cpuModel?: string;
    }
  | {
      readonly accelerator: "tcg";
      /** Frequency of the host's time stamp counter; an emulated guest has no other way to learn it. */
      readonly tscKhz: number;
    };

/** Room for translated code, in MiB: with less than 64 a Python start is several times slower, with more nothing is gained. */
const TRANSLATION_MIB = 128;

/**
 * Under emulation a named CPU model keeps frozen machines portable. `+arat` lets the guest stop its periodic tick when idle;
 * without it each idle machine costs 4 % of a core.
 */
const EMULATED_CPU = "Nehalem,-spec-ctrl,+arat";

/**
 * Left out under KVM: nested virtualisation is the largest part of KVM that a guest can attack, performance counters show what
 * neighbours do, and architectural capabilities belong to the host.
 */
const HIDDEN_FEATURES = "-vmx,-svm,pmu=off,-arch-capabilities";

/** `-cpu` for these settings. */
export function cpuArgument(settings: AcceleratorSettings): string {
  if (settings.accelerator === "tcg") return EMULATED_CPU;
  // Without `enforce` QEMU starts on a host that lacks a feature of the model, and only prints a warning.
  return settings.cpuModel === undefined
    ? `host,${HIDDEN_FEATURES}`
    : `${settings.cpuModel},${HIDDEN_FEATURES},enforce`;
}

/** The same CPU in QMP's words. */
export function cpuUnderKvm(cpuModel: string | undefined): {
  readonly name: string;
  readonly props: Readonly<Record<string, boolean>>;
} {
  const names = HIDDEN_FEATURES.split(",").map((text) => text.replace(/^-|=off$/g, ""));
  return { name: cpuModel ?? "host", props: Object.fromEntries(names.map((name) => [name, false])) };
}

/** What QEMU's filter for system calls refuses. */
export const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** Argument of the guest's kernel: the frequency of the counter, in kHz. */
export const TSC_ARGUMENT = "tsc_early_khz";

/** Device id of the disk. */
export const DISK_ID = "disk0";
/** The set of descriptors through which QEMU opens the disk that it starts with. */
const DISK_SET = 1;

/** What QEMU is started with, in this order; it can open none of it by a path. */
export function machineDescriptors(spec: MachineSpec): readonly JailedDescriptor[] {
  return [
    { listen: machineFiles.interactive },
    { listen: machineFiles.bulk },
    { listen: machineFiles.qmp },
    { update: spec.disk },
    // When another disk is put above it, QEMU opens it again, for reading.
    { open: spec.disk },
  ];
}

/** Descriptors by the order of {@link machineDescriptors}. */
const numbers = {
  interactive: FIRST_DESCRIPTOR,
  bulk: FIRST_DESCRIPTOR + 1,
  qmp: FIRST_DESCRIPTOR + 2,
  disk: [FIRST_DESCRIPTOR + 3, FIRST_DESCRIPTOR + 4],
} as const;

/** The name by which QEMU opens what a set of descriptors holds (QEMU, "QMP reference": add-fd). */
export function descriptorSet(set: number): string {
  return `/dev/fdset/${set}`;
}

/**
 * Arguments of QEMU. Booting and restoring give the same devices in the same order: a device state fits no other list.
 * docs/decisions/0005-jail.md explains the switches whose absence costs a hang, memory in the saved state or idle CPU time.
 *
 * @param timerChip - whether the saved state comes from a machine with a PC's timer chip; see `hasTimerChip`.
 * @param ownFilter - whether this QEMU has a filter for system calls; the jail's filter is in force in any case.
 */
export function commandLine(
  spec: BootSpec | RestoreSpec,
  settings: AcceleratorSettings,
  timerChip: boolean,
  ownFilter = true,
): readonly string[] {
  const listener = (name: "interactive" | "bulk" | "qmp"): string =>
    `socket,id=${name},fd=${numbers[name]},server=on,wait=off`;
  return [
    ...machineArguments(spec, settings, timerChip),
    "-serial",
    "stdio",
    "-global",
    "virtio-mmio.force-legacy=false",
    "-object",
    `memory-backend-file,id=memory,size=${spec.memoryMib}M,mem-path=${escape(spec.memoryFile)},share=on`,
    // QEMU tells by the path of a set which disk it writes.
    ...numbers.disk.flatMap((fd) => ["-add-fd", `fd=${fd},set=${DISK_SET},opaque=${escape(spec.disk)}`]),
    "-drive",
    // Locks stay with a descriptor of the set, so that QEMU would meet its own.
    `id=${DISK_ID},if=none,file.driver=file,file.filename=${descriptorSet(DISK_SET)},file.locking=off,format=qcow2,cache=unsafe,discard=unmap`,
    "-device",
    `virtio-blk-device,drive=${DISK_ID}`,
    ...networkArguments(spec),
    "-chardev",
    listener("interactive"),
    "-chardev",
    listener("bulk"),
    "-device",
    "virtio-serial-device",
    "-device",
    "virtserialport,chardev=interactive,name=wrenn.interactive",
    "-device",
    "virtserialport,chardev=bulk,name=wrenn.bulk",
    "-device",
    "virtio-rng-device",
    "-chardev",
    listener("qmp"),
    "-mon",
    "chardev=qmp,mode=control",
    ...(ownFilter ? ["-sandbox", SANDBOX] : []),
    ...startArguments(spec, settings),
  ];
}

function machineArguments(spec: MachineSpec, settings: AcceleratorSettings, timerChip: boolean): string[] {
  const accelerator = settings.accelerator === "kvm" ? "kvm" : `tcg,thread=multi,tb-size=${TRANSLATION_MIB}`;
  return [
    "-M",
    // Pages that the host merges show by their timing what neighbours hold; a core dump would hold the guest's memory.
    // The timer chip ticks 18 times a second for a guest that has better timers: half of what an idle machine costs.
    `microvm,memory-backend=memory,mem-merge=off,dump-guest-core=off${timerChip ? "" : ",pit=off"}`,
    "-accel",
    accelerator,
    "-cpu",
    cpuArgument(settings),
    "-m",
    String(spec.memoryMib),
    "-smp",
    String(spec.vcpus),
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
  ];
}

/** A machine without a network still has the device, so that its state fits one that has a network. */
function networkArguments(spec: MachineSpec): string[] {
  const backend = spec.network
    ? `tap,id=network0,ifname=${spec.network.tap},script=no,downscript=no`
    : "hubport,id=network0,hubid=0";
  const mac = spec.network?.mac ?? "02:00:00:00:00:01";
  return ["-netdev", backend, "-device", `virtio-net-device,netdev=network0,mac=${mac}`];
}

function startArguments(spec: BootSpec | RestoreSpec, settings: AcceleratorSettings): string[] {
  if (!("kernel" in spec)) return ["-incoming", "defer"];
  const kernelCommandLine = [
    // Without a keyboard controller and EFI the kernel would jump into the firmware, where the machine stands still.
    "console=ttyS0 panic=-1 reboot=t quiet mitigations=off no_timer_check cryptomgr.notests",
    // An idle kernel checks twice a second how fragmented its memory is, and every 4 s whether a CPU hangs. Under emulation that is two
    // thirds of what an idle machine costs.
    "nowatchdog sysctl.vm.compaction_proactiveness=0",
    // KVM gives its guests the frequency of their counter, and keeps their clock right on hosts where it is not constant.
    ...(settings.accelerator === "tcg" ? [`${TSC_ARGUMENT}=${settings.tscKhz} tsc=reliable`] : []),
    // Translated code is found by its address: a program that starts where it started before is not translated again.
    ...(settings.accelerator === "tcg" && spec.randomizeAddresses !== true ? ["norandmaps"] : []),
    "rdinit=/init",
    spec.commandLine ?? "",
  ].join(" ");
  return ["-kernel", spec.kernel, "-initrd", spec.initramfs, "-append", kernelCommandLine.trim()];
}

/** In QEMU's option lists a comma ends a value unless it is doubled. */
function escape(value: string): string {
  return value.replaceAll(",", ",,");
}
