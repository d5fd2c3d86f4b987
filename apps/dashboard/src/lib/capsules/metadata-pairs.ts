import type { CapsuleInfo } from "@wrenn/sdk";

/** What the server adds to the pairs of a capsule: what runs it, and the versions of that. */
const PLATFORM_KEYS: ReadonlySet<string> = new Set([
  "kernel_version",
  "vmm",
  "vmm_version",
  "agent_version",
  "envd_version",
]);

/** Pairs that people have given to a capsule, as `key=value`. */
export function ownPairs({ metadata }: CapsuleInfo): readonly string[] {
  return pairs(metadata, (key) => !PLATFORM_KEYS.has(key));
}

/** Pairs of the platform, likewise. */
export function platformPairs({ metadata }: CapsuleInfo): readonly string[] {
  return pairs(metadata, (key) => PLATFORM_KEYS.has(key));
}

function pairs(metadata: CapsuleInfo["metadata"], isMeant: (key: string) => boolean): readonly string[] {
  return Object.entries(metadata)
    .filter(([key]) => isMeant(key))
    .map((pair) => pair.join("="));
}
