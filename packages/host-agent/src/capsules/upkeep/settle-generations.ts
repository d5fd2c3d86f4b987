import { rm } from "node:fs/promises";
import { problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { allocatedBytes } from "../../disks/disks.ts";
import type { DiskClaim } from "../../disks/disk-reserve.ts";
import type { Disks } from "../../disks/disks.ts";
import type { Generation } from "../../generations/generation.ts";
import { recordChecksums } from "../../generations/verify-generation.ts";
import type { ParkedMachines } from "../../parked/parked-machines.ts";
import type { Capsule } from "../capsule.ts";
import { MOST_BELOW } from "../operations/most-layers.ts";

/** Pauses that are kept: the newest, and the one before it in case that the newest turns out to be damaged. */
const KEEP_PAUSES = 2;
/** Reads of a disk slow down with every layer, about twofold at twenty. */
const MAX_LAYERS = 8;

/** Reads a new generation back and records its checksums, in the background. */
export async function verifyNewGeneration(capsule: Capsule, generation: Generation): Promise<void> {
  if (generation.diskOnly) return;
  try {
    await recordChecksums(capsule.directory.generation(generation.id));
  } catch (error) {
    const dropped = !capsule.record.generations.some(({ id }) => id === generation.id);
    if (!dropped) throw error;
  }
}

/** Drops the generations of old pauses. Runs in the capsule's queue. */
export async function dropOldPauses(capsule: Capsule): Promise<void> {
  const { generations, current } = capsule.record;
  const pauses = generations.filter(({ kind }) => kind === "pause");
  const old = new Set(pauses.slice(0, -KEEP_PAUSES).filter(({ id }) => id !== current));
  if (old.size > 0) await capsule.dropGenerations((generation) => old.has(generation));
}

export interface CompactLayersDeps {
  readonly logger: Logger;
  readonly parked: Pick<ParkedMachines, "end">;
  readonly disks: Pick<Disks, "flatten" | "layers" | "reserve">;
}

/**
 * Writes the layers of a paused capsule into one, so that its disk stays quick however often it is paused and resumed. Runs in the
 * capsule's queue; a failure leaves everything as it was. Without room for it, the next pause tries again.
 *
 * @returns whether layers have become unused.
 */
export async function compactLayers(
  capsule: Capsule,
  deps: CompactLayersDeps,
  signal: AbortSignal,
): Promise<boolean> {
  if (capsule.state !== "paused") return false;
  const generation = capsule.currentGeneration();
  const top = generation.layers.at(-1);
  if (top === undefined || generation.layers.length <= MAX_LAYERS) return false;
  using room = await claimRoom(capsule, generation, deps);
  if (!room) return false;
  await writeIntoOne(capsule, generation, top, deps, signal);
  return true;
}

/**
 * The same before a resume, once there are as many layers as a disk may have: one that is resumed right after each pause never gets to
 * it otherwise.
 *
 * @throws WrennError `disk_full`.
 */
export async function requireFewLayers(
  capsule: Capsule,
  deps: CompactLayersDeps,
  signal: AbortSignal,
): Promise<void> {
  const generation = capsule.currentGeneration();
  const top = generation.layers.at(-1);
  if (top === undefined || generation.layers.length < MOST_BELOW) return;
  using _room = await deps.disks.reserve.claim(await bytesOf(generation, deps), "keep");
  await writeIntoOne(capsule, generation, top, deps, signal);
}

async function writeIntoOne(
  capsule: Capsule,
  generation: Generation,
  top: string,
  deps: CompactLayersDeps,
  signal: AbortSignal,
): Promise<void> {
  const { id, path } = deps.disks.layers.reserve();
  try {
    const layers = generation.layers.map((layer) => deps.disks.layers.path(layer));
    const disk = {
      path: deps.disks.layers.path(top),
      readable: [...capsule.record.template.readable, ...layers],
    };
    await deps.disks.flatten(disk, path, signal);
    await deps.disks.layers.seal(id);
    // The disk of a parked machine lies over the layers that are replaced.
    await deps.parked.end(capsule.id);
    await capsule.save({
      layers: [id],
      generations: capsule.record.generations.map((one) =>
        one === generation ? { ...generation, layers: [id] } : one,
      ),
    });
    deps.logger.info("capsule.layers_compacted", { capsule: capsule.id, layers: generation.layers.length });
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    deps.disks.layers.unpin(id);
  }
}

async function bytesOf({ layers }: Generation, { disks }: CompactLayersDeps): Promise<number> {
  return await allocatedBytes(layers.map((layer) => disks.layers.path(layer)));
}

async function claimRoom(
  capsule: Capsule,
  generation: Generation,
  deps: CompactLayersDeps,
): Promise<DiskClaim | undefined> {
  const { disks, logger } = deps;
  const most = await bytesOf(generation, deps);
  try {
    return await disks.reserve.claim(most, "keep");
  } catch (error) {
    if (!WrennError.is(error, "disk_full")) throw error;
    logger.debug("capsule.layers_not_compacted", { capsule: capsule.id, problem: problemOf(error) });
    return undefined;
  }
}
