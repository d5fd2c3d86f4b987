import { WrennError } from "@wrenn/core";
import { chooseAccelerator } from "@wrenn/vmm";
import type { AcceleratorChoice } from "@wrenn/vmm";
import { fail, ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** A KVM that is slower only emulates (native/kvm-probe). */
const EMULATED_MIPS = 20;

/**
 * What machines run on, and why: whether KVM runs guest code natively, or what the configuration demands.
 *
 * @param program - the built native/kvm-probe.
 * @param choice - the setting WRENN_ACCELERATOR.
 * @param choose - replaced in tests.
 */
export function kvmCheck(
  program: string,
  choice: AcceleratorChoice = "auto",
  choose: typeof chooseAccelerator = chooseAccelerator,
): Check {
  return {
    id: "kvm",
    title: "Hardware virtualisation",
    why: "without KVM the processor is emulated in software: about ten times slower, and no security boundary by QEMU's own policy",
    inspect: async (_probe, signal) => {
      try {
        const { accelerator, reason, mips } = await choose(program, choice, signal);
        const speed = `${Math.round(mips)} million instructions per second`;
        if (accelerator === "kvm" && mips < EMULATED_MIPS)
          return warn(
            `${reason}, ${speed}`,
            "Set WRENN_ACCELERATOR=auto: QEMU's own emulation is much faster.",
          );
        if (accelerator === "kvm") return ok(`${reason}, ${speed}`);
        if (choice === "tcg")
          return warn(
            `software emulation (${reason})`,
            "Set WRENN_ACCELERATOR=auto to use KVM where it works.",
          );
        return warn(
          `software emulation (${reason})`,
          "Use a host with /dev/kvm (bare metal, or nested virtualisation switched on) for speed and for untrusted code.",
        );
      } catch (error) {
        if (WrennError.is(error, "kvm_unusable")) return fail(error.message, error.remedy);
        throw error;
      }
    },
  };
}
