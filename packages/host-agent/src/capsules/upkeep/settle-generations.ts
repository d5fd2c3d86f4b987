import { rename, rm } from "node:fs/promises";
import type { HostAgentDependencies } from "../../host-agent-deps.ts";
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
  if (old.size > 0) await dropGenerations(capsule, (generation) => old.has(generation));
}

/** Removes generations from the record, then their files. */
export async function dropGenerations(
  capsule: Capsule,
  isDropped: (generation: Generation) => boolean,
): Promise<void> {
  const dropped = capsule.record.generations.filter(isDropped);
  await capsule.save({
    generations: capsule.record.generations.filter((generation) => !isDropped(generation)),
  });
  for (const { id } of dropped) {
    const { directory } = capsule.directory.generation(id);
    // Out of the way first: a verification that still runs must not put a file into what is being removed.
    await rename(directory, `${directory}.dropped`);
    await rm(`${directory}.dropped`, { recursive: true, force: true });
  }
}

/** Ids of every layer that a capsule needs. */
export function layersOf(capsule: Capsule): readonly string[] {
  const { layers, generations } = capsule.record;
  return [...layers, ...generations.flatMap((generation) => generation.layers)];
}

/** Removes disk layers that nobody names any more. */
export async function collectLayers(
  capsules: Iterable<Capsule>,
  templateLayers: readonly string[],
  deps: HostAgentDependencies,
): Promise<void> {
  const used = new Set(templateLayers);
  for (const capsule of capsules) for (const layer of layersOf(capsule)) used.add(layer);
  const removed = await deps.layers.collect(used);
  if (removed.length > 0) deps.logger.info("layers.collected", { count: removed.length });
}
