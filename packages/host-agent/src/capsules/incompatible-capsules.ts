import { describeDifference } from "@wrenn/vmm";
import type { Capsule } from "./capsule.ts";

/** Paused capsules that this host cannot resume, because another hypervisor saved them. */
export interface IncompatibleCapsules {
  readonly count: number;
  /** What differs, each difference once. */
  readonly differences: readonly string[];
}

export function findIncompatible(capsules: Iterable<Capsule>, identity: string): IncompatibleCapsules {
  let count = 0;
  const differences = new Set<string>();
  for (const { record } of capsules) {
    const generation = record.generations.find(({ id }) => id === record.current);
    if (record.state !== "paused" || !generation || generation.diskOnly) continue;
    if (generation.hypervisor === identity) continue;
    count++;
    differences.add(describeDifference(generation.hypervisor, identity));
  }
  return { count, differences: [...differences] };
}
