import { rm } from "node:fs/promises";
import type { HostAgentDependencies } from "../../host-agent-deps.ts";
import type { Capsule } from "../capsule.ts";

/** Reads of a disk slow down with every layer, about twofold at twenty. */
const MAX_LAYERS = 8;

/**
 * Writes the layers of a paused capsule into one, so that pausing and resuming for ever does not slow it down. Runs in the
 * capsule's queue; a failure leaves everything as it was.
 *
 * @returns whether layers have become unused.
 */
export async function compactLayers(
  capsule: Capsule,
  deps: HostAgentDependencies,
  signal: AbortSignal,
): Promise<boolean> {
  if (capsule.state !== "paused") return false;
  const generation = capsule.currentGeneration();
  const top = generation.layers.at(-1);
  if (top === undefined || generation.layers.length <= MAX_LAYERS) return false;
  const { id, path } = deps.layers.reserve();
  try {
    await deps.flattenDisk(deps.layers.path(top), path, signal);
    await deps.layers.seal(id);
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
    deps.layers.unpin(id);
  }
}
