import assert from "node:assert/strict";
import { test } from "node:test";
import type { BootSpec, RestoreSpec } from "@wrenn/vmm";
import { commandLine } from "../src/qemu/command-line.ts";
import type { AcceleratorSettings } from "../src/qemu/command-line.ts";

const machine = {
  id: "m",
  directory: "/m",
  vcpus: 2,
  memoryMib: 512,
  disk: "/m/disk,1.qcow2",
  readable: [],
  diskMib: 64,
  uid: 1,
  gid: 1,
};
const boot: BootSpec = { ...machine, kernel: "/kernel", initramfs: "/initramfs", memoryFile: "/memory" };
const restore: RestoreSpec = { ...machine, memoryFile: "/memory", deviceState: "/state" };
const tcg: AcceleratorSettings = { accelerator: "tcg", tscKhz: 2_445_402 };
const kvm: AcceleratorSettings = { accelerator: "kvm" };

/** Options with their values, in order. */
function options(
  spec: BootSpec | RestoreSpec,
  settings: AcceleratorSettings,
  timerChip = false,
): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  let name = "";
  for (const word of commandLine(spec, settings, timerChip)) {
    if (word.startsWith("-")) {
      name = word;
      found.set(name, found.get(name) ?? []);
    } else found.set(name, [...(found.get(name) ?? []), word]);
  }
  return found;
}

const devices = [
  "virtio-blk-device,drive=disk0",
  "virtio-net-device,netdev=network0,mac=02:00:00:00:00:01",
  "virtio-serial-device",
  "virtserialport,chardev=interactive,name=wrenn.interactive",
  "virtserialport,chardev=bulk,name=wrenn.bulk",
  "virtio-rng-device",
];
const machineType = "microvm,memory-backend=memory,mem-merge=off,dump-guest-core=off,pit=off";
const kernelArguments =
  "console=ttyS0 panic=-1 reboot=t quiet mitigations=off no_timer_check cryptomgr.notests nowatchdog sysctl.vm.compaction_proactiveness=0";

test("an emulated machine has a named CPU and the frequency of the host's counter", () => {
  const found = options(boot, tcg);
  assert.deepEqual(found.get("-M"), [machineType]);
  assert.deepEqual(found.get("-accel"), ["tcg,thread=multi,tb-size=128"]);
  assert.deepEqual(found.get("-cpu"), ["Nehalem,-spec-ctrl,+arat"]);
  assert.deepEqual(found.get("-append"), [
    `${kernelArguments} tsc_early_khz=2445402 tsc=reliable norandmaps rdinit=/init`,
  ]);
  assert.deepEqual(found.get("-device"), devices);
});

test("an emulated guest does not randomise addresses unless its template asks for it, and one under KVM always does", () => {
  const randomizes = (spec: BootSpec, settings: AcceleratorSettings): boolean =>
    !options(spec, settings).get("-append")?.[0]?.split(" ").includes("norandmaps");
  assert.equal(randomizes(boot, tcg), false);
  assert.equal(randomizes({ ...boot, randomizeAddresses: false }, tcg), false);
  assert.equal(randomizes({ ...boot, randomizeAddresses: true }, tcg), true);
  assert.equal(randomizes(boot, kvm), true);
  assert.equal(randomizes({ ...boot, randomizeAddresses: false }, kvm), true);
});

test("under KVM a machine has the host's CPU without what guests can attack, and learns the time from KVM", () => {
  const found = options(boot, kvm);
  assert.deepEqual(found.get("-M"), [machineType]);
  assert.deepEqual(found.get("-accel"), ["kvm"]);
  assert.deepEqual(found.get("-cpu"), ["host,-vmx,-svm,pmu=off,-arch-capabilities"]);
  assert.deepEqual(found.get("-append"), [`${kernelArguments} rdinit=/init`]);
  assert.deepEqual(found.get("-device"), devices);
});

test("a configured CPU model is enforced: QEMU refuses to start on a host that lacks a part of it", () => {
  const found = options(boot, { accelerator: "kvm", cpuModel: "EPYC" });
  assert.deepEqual(found.get("-cpu"), ["EPYC,-vmx,-svm,pmu=off,-arch-capabilities,enforce"]);
});

test("a restored machine has the devices of a booted one, in the same order", () => {
  for (const settings of [tcg, kvm]) {
    const [booted, restored] = [options(boot, settings), options(restore, settings)];
    for (const name of ["-kernel", "-initrd", "-append"]) booted.delete(name);
    assert.deepEqual(restored.get("-incoming"), ["defer"]);
    restored.delete("-incoming");
    assert.deepEqual([...restored], [...booted]);
  }
});

test("a machine has no timer chip, except one whose saved state has it", () => {
  for (const settings of [tcg, kvm]) {
    assert.match(options(boot, settings).get("-M")?.[0] ?? "", /,pit=off$/);
    assert.match(options(restore, settings).get("-M")?.[0] ?? "", /,pit=off$/);
    assert.doesNotMatch(options(restore, settings, true).get("-M")?.[0] ?? "", /pit/);
  }
});
