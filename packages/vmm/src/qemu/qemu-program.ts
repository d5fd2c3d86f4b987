import { tryCommand } from "@wrenn/system";
import type { AcceleratorSettings } from "./command-line.ts";
import { SANDBOX } from "./command-line.ts";

/** Debian's QEMU with every machine type. */
export const DEFAULT_QEMU = "/usr/bin/qemu-system-x86_64";
/** The one that has nothing but the microvm type and KVM. */
export const QEMU_MICROVM = "/usr/bin/qemu-system-x86_64-microvm";
const ANSWER_MS = 20_000;

/** A QEMU, and whether it can filter its system calls itself with an option of its own. */
export interface QemuProgram {
  readonly path: string;
  readonly ownFilter: boolean;
}

/**
 * The QEMU to start machines with. Under KVM it is the one for microvm alone, where it is installed: it starts in half the time, and
 * most of what the other could run is not in it. QEMU 7.2's has no filter of its own; the jail's is in force for both. Both have one
 * version and fit one another's states.
 *
 * @param program - a test seam: the small QEMU's path.
 */
export async function chooseQemu(
  { accelerator }: Pick<AcceleratorSettings, "accelerator">,
  program = QEMU_MICROVM,
): Promise<QemuProgram> {
  if (accelerator === "kvm")
    for (const ownFilter of [true, false])
      if (await starts(program, ownFilter)) return { path: program, ownFilter };
  return { path: DEFAULT_QEMU, ownFilter: true };
}

async function starts(program: string, ownFilter: boolean): Promise<boolean> {
  const machine = ["-M", "none", "-accel", "kvm", "-nodefaults", "-no-user-config", "-display", "none"];
  const filter = ownFilter ? ["-sandbox", SANDBOX] : [];
  try {
    const { code } = await tryCommand([program, ...machine, ...filter, "-qmp", "stdio"], {
      input: `${JSON.stringify({ execute: "qmp_capabilities" })}\n${JSON.stringify({ execute: "quit" })}\n`,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return code === 0;
  } catch {
    // It is not installed.
    return false;
  }
}
