import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { defined, randomHex, withDeadline, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { makeFileOf, sealFile } from "@wrenn/system";
import type { Disks } from "../disks/disks.ts";
import { BOOT_MS, guestCommandLine } from "../machines/boot.ts";
import { whileAlive } from "../machines/running-machine.ts";
import type { BootKernel, Machines } from "../machines/machines.ts";
import { frozenFiles } from "./frozen-template.ts";
import { placeholderIdentity } from "./placeholder-identity.ts";
import type { Shape } from "./frozen-template.ts";
import { warmUp } from "./warm-up.ts";

/** The most that a booted and warmed guest of any size occupies: nothing of a user has run in it. */
export const NEW_TEMPLATE_BYTES: number = 512 * 2 ** 20;

/**
 * How long a guest is idle before it is frozen. Its kernel still has work of the boot and the warm-up then, such as taking apart
 * cgroups, which each restore would repeat.
 */
const SETTLE_MS = 2000;

/** What a template is booted from. */
export interface BootArtifacts extends BootKernel {
  /** Raw image with the root file system. */
  readonly rootfs: string;
}

export interface FreezeTemplateDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly machines: Pick<Machines<"acquire" | "release">, "hypervisor" | "slots" | "connectGuest">;
  readonly disks: Pick<Disks, "create">;
  readonly progress: (event: { readonly step: string; readonly fraction?: number }) => void;
}

/** A disk that a template is booted from. */
export interface BootDisk {
  /** The image that the template's disk lies over. */
  readonly backing: string;
  /** Directories and files that the machine must be able to read. */
  readonly readable: readonly string[];
}

export interface FreezeRequest {
  readonly name: string;
  readonly shape: Shape;
  readonly kernel: BootKernel;
  readonly disk: BootDisk;
  /** Whether programs of the image are run, so that capsules find them in memory; without it the image need not have them. */
  readonly warm: boolean;
  /** Directory of the machine; default: one in `directory`. */
  readonly machineDirectory?: string;
  /** Empty directory that becomes the frozen template. */
  readonly directory: string;
  readonly diskMib: number;
}

/**
 * Boots a machine from artifacts, warms it, and freezes it into `directory`: memory, device state and disk.
 * Afterwards the files are read-only and nothing of the machine is left; on failure nothing is left either, except
 * what is in `directory`, which belongs to the caller.
 *
 * @returns versions of what went in.
 */
export async function freezeTemplate(
  request: FreezeRequest,
  deps: FreezeTemplateDeps,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { directory, shape, kernel, disk } = request;
  const path = (name: keyof typeof frozenFiles): string => join(directory, frozenFiles[name]);
  await using release = new AsyncDisposableStack();
  const slot = await deps.machines.slots.acquire(signal);
  release.defer(() => deps.machines.slots.release(slot));

  await mkdir(directory, { recursive: true });
  await deps.disks.create({ path: path("disk"), backing: disk.backing, sizeMib: request.diskMib }, signal);
  await makeFileOf(path("memory"), slot.uid);

  deps.progress({ step: `boot ${request.name}` });
  const machine = await deps.machines.hypervisor.boot(
    {
      // It names the cgroup: unique among all installations of this machine, of which each has such a slot.
      id: `freeze-${randomHex(deps.random, 8)}`,
      directory: request.machineDirectory ?? path("machine"),
      vcpus: shape.vcpus,
      memoryMib: shape.memoryMib,
      disk: path("disk"),
      diskMib: request.diskMib,
      readable: disk.readable,
      network: { namespace: slot.namespace, tap: slot.tap, mac: slot.mac },
      uid: slot.uid,
      gid: slot.uid,
      kernel: kernel.kernel,
      initramfs: kernel.initramfs,
      ...defined({ randomizeAddresses: kernel.randomizeAddresses }),
      commandLine: guestCommandLine(slot),
      memoryFile: path("memory"),
    },
    signal,
  );
  release.defer(() => machine.destroy());

  const guest = await withDeadline("booting the template", BOOT_MS, signal, (inner) =>
    whileAlive(
      machine,
      deps.machines.connectGuest(machine, () => {}, inner),
    ),
  );
  release.defer(() => guest.detach());
  const alive = <T>(work: Promise<T>): Promise<T> => whileAlive(machine, work);
  await alive(
    guest.configure(
      {
        wallClockNs: BigInt(Math.round(deps.clock.now() * 1e6)),
        entropy: deps.random.bytes(256),
        // Every capsule gets its own: that these files lie in memory, with room for a name, makes it quick.
        ...placeholderIdentity,
      },
      signal,
    ),
  );
  const info = await alive(guest.info(signal));

  if (request.warm) {
    deps.progress({ step: `warm up ${request.name}` });
    await alive(warmUp(guest, signal));
  }

  deps.progress({ step: `freeze ${request.name}` });
  await alive(guest.quiesce({ sync: true }, signal));
  await guest.detach();
  await alive(deps.clock.sleep(SETTLE_MS, signal));
  await machine.stop(signal);
  await machine.saveDeviceState(path("deviceState"), signal);
  await machine.destroy();
  for (const name of ["memory", "deviceState", "disk"] as const) {
    await sealFile(path(name));
    if ((await stat(path(name))).size === 0)
      throw new WrennError("operation_failed", {
        operation: "freezing the template",
        problem: `${name} is empty`,
      });
  }
  return {
    kernel_version: info.kernelRelease,
    agent_version: info.agentVersion,
    vmm: deps.machines.hypervisor.name,
  };
}
