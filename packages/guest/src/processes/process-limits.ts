import { WrennError } from "@wrenn/core";
import type { guestChannel, ProcessLimits, ResourceName } from "@wrenn/protocol";

/** Numbers of the kernel's resources (x86-64 and arm64: include/uapi/asm-generic/resource.h). */
const numbers: Readonly<Record<ResourceName, number>> = {
  cpuSeconds: 0,
  fileBytes: 1,
  dataBytes: 2,
  stackBytes: 3,
  coreBytes: 4,
  processes: 6,
  openFiles: 7,
  lockedBytes: 8,
  addressSpaceBytes: 9,
};
const RLIM_INFINITY = 0xff_ff_ff_ff_ff_ff_ff_ffn;

/** @throws WrennError `invalid_field` for a limit that is no number, or a soft one above the hard one. */
export function writeLimits(body: guestChannel.BodyWriter, limits: ProcessLimits = {}): void {
  const known = Object.keys(numbers) as ResourceName[];
  body.list(
    known.filter((name) => limits[name] !== undefined),
    (name) => {
      const { soft, hard } = limits[name] ?? { soft: Infinity, hard: Infinity };
      if (soft > hard) throw invalid(name, "has a soft limit above the hard one");
      body.u32(numbers[name]).u64(amount(name, soft)).u64(amount(name, hard));
    },
  );
}

function amount(name: ResourceName, value: number): bigint {
  if (value === Infinity) return RLIM_INFINITY;
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(name, "must be a whole number of at least 0");
  return BigInt(value);
}

function invalid(name: ResourceName, problem: string): WrennError {
  return new WrennError("invalid_field", { field: `limits.${name}`, problem });
}
