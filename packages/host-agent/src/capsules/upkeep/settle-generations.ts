import type { Generation } from "../../generations/generation.ts";
import { recordChecksums } from "../../generations/verify-generation.ts";
import type { Capsule } from "../capsule.ts";

/** Pauses that are kept: the newest, and the one before it in case that the newest turns out to be damaged. */
const KEEP_PAUSES = 2;

/** Reads new generations back and writes their checksums down; nobody waits for it. */
export async function verifyNew(capsule: Capsule, generation: Generation): Promise<void> {
  try {
    await recordChecksums(capsule.directory.generation(generation.id));
  } catch (error) {
    const dropped = !capsule.record.generations.some(({ id }) => id === generation.id);
    if (!dropped) throw error;
  }
}

/** Drops what is not needed any more: old pauses. Runs in the capsule's queue. */
export async function dropOldPauses(capsule: Capsule): Promise<void> {
  const { generations, current } = capsule.record;
  const pauses = generations.filter(({ kind }) => kind === "pause");
  const old = new Set(pauses.slice(0, -KEEP_PAUSES).filter(({ id }) => id !== current));
  if (old.size > 0) await capsule.dropGenerations((generation) => old.has(generation));
}
