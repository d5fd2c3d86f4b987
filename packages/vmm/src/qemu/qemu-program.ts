import { tryCommand } from "@wrenn/system";
import type { AcceleratorSettings } from "./command-line.ts";
import { SANDBOX } from "./command-line.ts";

/** Debian's QEMU with every machine type. */
export const DEFAULT_QEMU = "/usr/bin/qemu-system-x86_64";
/** The one that has nothing but the microvm type and KVM. */
const QEMU_MICROVM = "/usr/bin/qemu-system-x86_64-microvm";
const ANSWER_MS = 20_000;

/**
 * The QEMU to start machines with. Under KVM it is the one for microvm alone, which starts in half the time, where it is installed
 * and can filter its system calls; QEMU 7.2's cannot. Both have one version and fit one another's states.
 *
 * @param program - a test seam: the small QEMU's path.
 */
export async function chooseQemu(
  { accelerator }: Pick<AcceleratorSettings, "accelerator">,
  program = QEMU_MICROVM,
): Promise<string> {
  if (accelerator === "tcg") return DEFAULT_QEMU;
  const machine = ["-M", "none", "-accel", "kvm", "-nodefaults", "-no-user-config", "-display", "none"];
  try {
    const { code } = await tryCommand([program, ...machine, "-sandbox", SANDBOX, "-qmp", "stdio"], {
      input: `${JSON.stringify({ execute: "qmp_capabilities" })}\n${JSON.stringify({ execute: "quit" })}\n`,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return code === 0 ? program : DEFAULT_QEMU;
  } catch {
    // It is not installed.
    return DEFAULT_QEMU;
  }
}
