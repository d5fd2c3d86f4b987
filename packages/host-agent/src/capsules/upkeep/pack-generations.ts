import { rename, rm } from "node:fs/promises";
import type { Logger } from "@wrenn/core";
import { syncDirectory } from "@wrenn/system";
import type { Capsule } from "../capsule.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Memory } from "../../memory/memory.ts";
import type { Generation } from "../../generations/generation.ts";
import { isVerified, recordPackedChecksum, verifyGeneration } from "../../generations/verify-generation.ts";

export interface PackGenerationsDeps {
  readonly logger: Logger;
  readonly memory: Pick<Memory, "packed">;
  readonly disks: Pick<Disks, "reserve">;
}

/** Generations of a paused capsule that were made before `olderThan` (Unix milliseconds) and are not packed yet. */
export function packable(capsule: Capsule, olderThan: number): readonly Generation[] {
  if (capsule.state !== "paused") return [];
  return capsule.record.generations.filter(
    ({ packed, diskOnly, createdAt }) => !packed && !diskOnly && createdAt < olderThan,
  );
}

/**
 * Compresses the memory of old generations of a paused capsule. The plain file goes once the record says that the packed one
 * counts; a crash in between leaves one of the two for recovery to remove. Runs in the capsule's queue.
 */
export async function packGenerations(
  capsule: Capsule,
  olderThan: number,
  deps: PackGenerationsDeps,
  signal: AbortSignal,
): Promise<void> {
  for (const generation of packable(capsule, olderThan)) {
    const files = capsule.directory.generation(generation.id);
    // What has not been read back yet, or does not match, is never replaced.
    if (!(await isVerified(files))) continue;
    await verifyGeneration(generation, files, generation.hypervisor);
    using _room = await deps.disks.reserve.claim(generation.memoryBytes, "keep");
    const building = `${files.memoryPacked}.new`;
    try {
      await deps.memory.packed.pack(files.memoryDiff, building, signal);
      await rename(building, files.memoryPacked);
    } finally {
      await rm(building, { force: true });
    }
    await recordPackedChecksum(files);
    await syncDirectory(files.directory);
    await capsule.save({
      generations: capsule.record.generations.map((one) =>
        one === generation ? { ...generation, packed: true } : one,
      ),
    });
    await rm(files.memoryDiff, { force: true });
    deps.logger.info("capsule.memory_packed", { capsule: capsule.id, generation: generation.id });
  }
}

/** Runs `work` with the diff of a generation as a plain file, unpacked for as long as that takes. */
export async function withPlainDiff<T>(
  capsule: Capsule,
  generation: Generation,
  deps: Pick<PackGenerationsDeps, "memory">,
  signal: AbortSignal,
  work: (diff: string) => Promise<T>,
): Promise<T> {
  const files = capsule.directory.generation(generation.id);
  if (!generation.packed) return await work(files.memoryDiff);
  try {
    await deps.memory.packed.unpack(files.memoryPacked, files.memoryDiff, signal);
    return await work(files.memoryDiff);
  } finally {
    await rm(files.memoryDiff, { force: true });
  }
}
