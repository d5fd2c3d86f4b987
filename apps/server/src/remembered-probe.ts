import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";
import { probeKvm } from "@wrenn/vmm";
import type { KvmFinding } from "@wrenn/vmm";

const DEVICE = "/dev/kvm";
const BOOT_ID = "/proc/sys/kernel/random/boot_id";

export interface RememberedProbeOptions {
  /** Where the finding is stored; only the operator may write there. */
  readonly file: string;
  readonly device?: string;
  readonly bootIdFile?: string;
  readonly probe?: typeof probeKvm;
}

/**
 * A probe of KVM whose finding counts until the host is booted again: what KVM can do depends on the CPU, the kernel and its modules.
 * A module that is loaded again makes a new device, and an update may bring another probe: either makes it probe again. Only a finding
 * of guest code that ran is stored; a device that cannot be opened may be mended at any time.
 */
export function rememberedProbe(options: RememberedProbeOptions): typeof probeKvm {
  const { file, device = DEVICE, bootIdFile = BOOT_ID, probe = probeKvm } = options;
  return async (program, signal) => {
    const subject = await subjectOf(program, device, bootIdFile);
    const known = readFinding(await readFileIfPresent(file), subject);
    if (known) return known;
    const finding = await probe(program, signal);
    if (subject !== undefined && finding.works)
      await writeFileAtomic(file, `${JSON.stringify({ subject, finding })}\n`);
    return finding;
  };
}

/** What a finding is about; undefined while the device cannot be used. */
async function subjectOf(program: string, device: string, bootIdFile: string): Promise<string | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    const [bootId, ...files] = await Promise.all([readFile(bootIdFile, "utf8"), stat(device), stat(program)]);
    return [bootId.trim(), ...files.map(({ dev, ino, rdev, ctimeMs }) => [dev, ino, rdev, ctimeMs])].join(
      " ",
    );
  } catch {
    return undefined;
  }
}

function readFinding(text: string | undefined, subject: string | undefined): KvmFinding | undefined {
  try {
    const stored = JSON.parse(text ?? "{}") as { readonly subject?: string; readonly finding?: KvmFinding };
    const { finding } = stored;
    const isWhole = typeof finding?.usable === "boolean" && typeof finding.reason === "string";
    return subject !== undefined && stored.subject === subject && isWhole ? finding : undefined;
  } catch {
    return undefined;
  }
}
