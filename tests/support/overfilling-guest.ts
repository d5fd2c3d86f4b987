import { chown, mkdir, statfs, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { BootFiles } from "@wrenn/disk-image";
import { GuestLink } from "@wrenn/guest";
import { runCommand } from "@wrenn/system";
import type { BootSpec, Hypervisor, Machine } from "@wrenn/vmm";
import { makeDisk } from "./real-machines.ts";

/** Room for the start of a guest. */
const ROOM = "32m";
/** What is left of it afterwards: less than the guest writes. */
const LEFT_BYTES = 1 << 20;
const MORE_ROOM = "256m";
/** Few bytes, because KVM that emulates kernel code copies them slowly. */
const WRITTEN = 4_000_000;

/** Writes more than there is room for, and reads it back from the disk. */
const SCRIPT = `set -e
yes wrenn | head -c ${WRITTEN} > /filled
sync
echo 3 > /proc/sys/vm/drop_caches
yes wrenn | head -c ${WRITTEN} | cmp - /filled`;

export interface OverfillingGuest extends AsyncDisposable {
  readonly machine: Machine;
  makeRoom(): Promise<void>;
  readonly written: Promise<void>;
}

/** A real machine whose disk is in a small tmpfs and whose guest writes more than fits. */
export async function startOverfillingGuest(
  hypervisor: Hypervisor,
  artifacts: BootFiles,
  spec: Omit<BootSpec, "kernel" | "initramfs" | "memoryFile">,
  signal: AbortSignal,
): Promise<OverfillingGuest> {
  await using undo = new AsyncDisposableStack();
  const home = dirname(spec.disk);
  const small = join(home, "small");
  await mkdir(small);
  await runCommand(["mount", "-t", "tmpfs", "-o", `size=${ROOM},mode=755`, "tmpfs", small]);
  undo.defer(async () => void (await runCommand(["umount", "--lazy", small])));
  const disk = join(small, "disk.qcow2");
  await makeDisk(disk, artifacts.rootfs);
  const memoryFile = join(home, "memory");
  await writeFile(memoryFile, "");
  await chown(memoryFile, spec.uid, spec.gid);
  const { kernel, initramfs } = artifacts;
  const machine = await hypervisor.boot(
    { ...spec, disk, kernel, initramfs, memoryFile, commandLine: "wrenn.root=/dev/vda" },
    signal,
  );
  undo.defer(() => machine.destroy());
  const guest = await GuestLink.connect(
    { ...machine.guestChannel, clock: systemClock, logger: silentLogger, random: systemRandom },
    signal,
  );
  undo.defer(() => guest.detach());
  const { bavail, bsize } = await statfs(small);
  const taken = String(Math.max(bavail * bsize - LEFT_BYTES, bsize));
  await runCommand(["fallocate", "--length", taken, join(small, "taken")]);
  const written = write(guest, signal);
  written.catch(() => {});
  const all = undo.move();
  return {
    machine,
    written,
    makeRoom: async () => {
      await runCommand(["mount", "-o", `remount,size=${MORE_ROOM}`, small]);
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

async function write(guest: GuestLink, signal: AbortSignal): Promise<void> {
  const process = await guest.processes.start(
    { cmd: "sh", args: ["-c", SCRIPT], envs: {}, stdin: false, output: "detached" },
    signal,
  );
  const { exitCode } = await process.wait(signal);
  if (exitCode !== 0) throw new Error(`what the guest wrote is not on its disk: exit code ${exitCode}`);
}
