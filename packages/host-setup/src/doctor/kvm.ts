import { probeAccelerator } from "@wrenn/vmm";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/**
 * Whether KVM runs guest code natively.
 *
 * @param program - the built native/kvm-probe.
 * @param decide - replaced in tests.
 */
export function kvmCheck(program: string, decide: typeof probeAccelerator = probeAccelerator): Check {
  return {
    id: "kvm",
    title: "Hardware virtualisation",
    why: "without KVM the processor is emulated in software: about ten times slower, and no security boundary by QEMU's own policy",
    inspect: async (_probe, signal) => {
      const { accelerator, reason, mips } = await decide(program, signal);
      if (accelerator === "kvm") return ok(`${reason}, ${Math.round(mips)} million instructions per second`);
      return warn(
        `software emulation (${reason})`,
        "Use a host with /dev/kvm (bare metal, or nested virtualisation switched on) for speed and for untrusted code.",
      );
    },
  };
}
