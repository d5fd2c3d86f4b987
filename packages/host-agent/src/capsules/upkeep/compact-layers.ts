import { rm } from "node:fs/promises";
import type { Logger } from "@wrenn/core";
import type { Disks } from "../../disks/disks.ts";
import type { Capsule } from "../capsule.ts";

/** Reads of a disk slow down with every layer, about twofold at twenty. */
const MAX_LAYERS = 8;

export interface CompactLayersDeps {
  readonly logger: Logger;
  readonly disks: Pick<Disks, "flatten" | "layers">;
}

/**
 * Writes the layers of a paused capsule into one, so that its disk stays quick however often it is paused and resumed. Runs in the
 * capsule's queue; a failure leaves everything as it was.
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
  const { id, path } = deps.disks.layers.reserve();
  try {
    await deps.disks.flatten(deps.disks.layers.path(top), path, signal);
    await deps.disks.layers.seal(id);
    await capsule.save({
      layers: [id],
      generations: capsule.record.generations.map((one) =>
        one === generation ? { ...generation, layers: [id] } : one,
      ),
    });
    deps.logger.info("capsule.layers_compacted", { capsule: capsule.id, layers: generation.layers.length });
    return true;
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    deps.disks.layers.unpin(id);
  }
}
