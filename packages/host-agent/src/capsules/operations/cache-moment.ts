import type { MomentCache } from "../../moments/moment-cache.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";
import { addGeneration } from "./checkpoint-capsule.ts";
import type { AddGenerationDeps } from "./checkpoint-capsule.ts";

export interface CacheMomentDeps extends AddGenerationDeps {
  readonly registry: CapsuleRegistry;
  readonly moments: MomentCache;
}

/**
 * Keeps this moment of a running capsule for capsules that come later; the capsule goes on after a short stop. A moment that is
 * there already stays as it is.
 *
 * @param memory - whether its memory is kept; otherwise its disk alone, on which nothing waits to be written.
 * @throws WrennError `invalid_field` for what can be no key, `too_many_layers`, `disk_full`, `operation_failed`.
 */
export async function cacheMoment(
  id: string,
  { key, memory }: { readonly key: string; readonly memory: boolean },
  deps: CacheMomentDeps,
  signal: AbortSignal,
): Promise<void> {
  const { registry, moments } = deps;
  const capsule = registry.require(id);
  moments.requireKey(key);
  if (moments.has(key)) return;
  const { generation } = await addGeneration(
    capsule,
    { kind: "fork", ...(memory ? {} : { diskOnly: true }) },
    deps,
    signal,
  );
  try {
    const { vcpus, memoryMib, diskMib } = capsule.spec;
    const files = capsule.directory.generation(generation.id);
    await moments.put(
      key,
      { template: capsule.record.template, spec: { vcpus, memoryMib, diskMib }, generation },
      files,
    );
  } finally {
    await capsule.dropGenerations((candidate) => candidate === generation);
  }
}
