import { defined, withDeadline } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Slot } from "@wrenn/network";
import type { BootSpec } from "@wrenn/vmm";
import type { Boot } from "../../generations/generation.ts";
import { BOOT_MS, guestCommandLine } from "../../machines/boot.ts";
import type { HeldMachine } from "../../machines/held-machine.ts";
import type { Machines } from "../../machines/machines.ts";
import { whileAlive } from "../../machines/running-machine.ts";
import { kernelRelease } from "../../templates/frozen-template.ts";
import type { Capsule } from "../capsule.ts";
import { emptyMemory } from "../empty-memory.ts";

type BootedSpec = Omit<
  BootSpec,
  "kernel" | "initramfs" | "randomizeAddresses" | "commandLine" | "memoryFile" | "privateMemory"
>;

/**
 * Boots a machine from a capsule's disk, with the kernel of its template and the guest agent of this host, on empty memory that can be saved later
 * as a template's can. A disk that was not unmounted is checked and repaired first, in the guest.
 */
export async function bootMachine(
  capsule: Capsule,
  spec: BootedSpec,
  slot: Slot,
  { machines }: { readonly machines: Pick<Machines, "hypervisor" | "bootFiles"> },
  signal: AbortSignal,
): Promise<HeldMachine> {
  const { kernel, initramfs, randomizeAddresses } = await machines.bootFiles(
    signal,
    kernelRelease(capsule.record.template),
  );
  return await machines.hypervisor.boot(
    {
      ...spec,
      kernel,
      initramfs,
      ...defined({ randomizeAddresses }),
      commandLine: guestCommandLine(slot),
      memoryFile: await emptyMemory(capsule.directory, spec.memoryMib),
      privateMemory: true,
    },
    signal,
  );
}

/** Waits until the guest of a machine that boots answers. @throws WrennError `machine_died`, `deadline_exceeded`, `disk_full`. */
export async function awaitBoot(
  capsule: Capsule,
  machine: HeldMachine,
  { machines }: { readonly machines: Pick<Machines, "connectGuest"> },
  signal: AbortSignal,
): Promise<GuestLink> {
  return await withDeadline("booting the capsule's disk", BOOT_MS, signal, (inner) =>
    whileAlive(
      machine,
      machines.connectGuest(machine, () => capsule.noteTraffic(), inner),
    ),
  );
}

/** What is known of a boot once its guest answers. */
export async function describeBoot(
  capsule: Capsule,
  guest: Pick<GuestLink, "info">,
  { logger, machines }: { readonly logger: Logger; readonly machines: Pick<Machines, "hypervisor"> },
  signal: AbortSignal,
): Promise<Boot> {
  const { hypervisor } = machines;
  const { kernelRelease, agentVersion, diskAtBoot: disk } = await guest.info(signal);
  logger.info("capsule.booted", { capsule: capsule.id, disk: disk ?? "unknown", kernel: kernelRelease });
  return {
    metadata: { kernel_version: kernelRelease, agent_version: agentVersion, vmm: hypervisor.name },
    ...defined({ clockKhz: hypervisor.guestClock?.khz, disk }),
  };
}
