import { problemOf } from "@wrenn/core";
import { exists, runCommand } from "@wrenn/system";

/** What machines will run on, and why. */
export interface Accelerator {
  readonly accelerator: "kvm" | "tcg";
  readonly reason: string;
  /** Millions of guest instructions per second that KVM managed in a counting loop; 0 when it did not come so far. */
  readonly mips: number;
}

/**
 * Decides between KVM and software emulation by running guest code for at most a second: a KVM device that only emulates is
 * not used.
 *
 * @param program - the built native/kvm-probe.
 */
export async function probeAccelerator(program: string, signal: AbortSignal): Promise<Accelerator> {
  if (!(await exists("/dev/kvm"))) return { accelerator: "tcg", reason: "/dev/kvm does not exist", mips: 0 };
  try {
    const { stdout } = await runCommand([program], { signal });
    return readFinding(stdout);
  } catch (error) {
    signal.throwIfAborted();
    return { accelerator: "tcg", reason: `the KVM probe failed: ${problemOf(error)}`, mips: 0 };
  }
}

/** The probe's one line of JSON as a decision. */
export function readFinding(line: string): Accelerator {
  const finding = JSON.parse(line) as {
    readonly usable: boolean;
    readonly reason: string;
    readonly mips: number;
  };
  return { accelerator: finding.usable ? "kvm" : "tcg", reason: finding.reason, mips: finding.mips };
}
