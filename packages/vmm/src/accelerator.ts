import { problemOf, WrennError } from "@wrenn/core";
import { exists, runCommand } from "@wrenn/system";

/** What machines will run on, and why. */
export interface Accelerator {
  readonly accelerator: "kvm" | "tcg";
  readonly reason: string;
  /** Millions of guest instructions per second that KVM managed in a counting loop; 0 when it did not come so far. */
  readonly mips: number;
}

/** `auto`: KVM where it runs guest code natively, else software emulation. The others leave no choice. */
export type AcceleratorChoice = "auto" | "kvm" | "tcg";

/** What the probe saw of KVM. */
export interface KvmFinding {
  /** It runs guest code natively. */
  readonly usable: boolean;
  /** It runs guest code, if only by emulating it. */
  readonly works: boolean;
  readonly reason: string;
  readonly mips: number;
}

const DEVICE = "/dev/kvm";

/**
 * Decides between KVM and software emulation. `auto` runs guest code for at most a second of CPU time: a KVM device that only
 * emulates is not used. `kvm` takes any KVM that runs guest code; `tcg` does not touch KVM.
 *
 * @param program - the built native/kvm-probe.
 * @throws WrennError `kvm_unusable` when `kvm` is chosen and cannot be had.
 */
export async function chooseAccelerator(
  program: string,
  choice: AcceleratorChoice,
  signal: AbortSignal,
  probe: typeof probeKvm = probeKvm,
): Promise<Accelerator> {
  if (choice === "tcg") return { accelerator: "tcg", reason: "WRENN_ACCELERATOR=tcg", mips: 0 };
  const { usable, works, reason, mips } = await probe(program, signal);
  if (choice === "auto") return { accelerator: usable ? "kvm" : "tcg", reason, mips };
  if (!works) throw new WrennError("kvm_unusable", { problem: reason });
  return { accelerator: "kvm", reason: `WRENN_ACCELERATOR=kvm: ${reason}`, mips };
}

/** Runs guest code with KVM, for at most a second of CPU time. A probe that fails is a finding, too. */
export async function probeKvm(program: string, signal: AbortSignal): Promise<KvmFinding> {
  const unusable = { usable: false, works: false, mips: 0 };
  if (!(await exists(DEVICE))) return { ...unusable, reason: `${DEVICE} does not exist` };
  try {
    const { stdout } = await runCommand([program, DEVICE], { signal });
    return JSON.parse(stdout) as KvmFinding;
  } catch (error) {
    signal.throwIfAborted();
    return { ...unusable, reason: `the KVM probe failed: ${problemOf(error)}` };
  }
}
