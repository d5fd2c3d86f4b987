import { WrennError } from "@wrenn/core";
import type { CapsuleRecord } from "../capsule-record.ts";

/** Layers below a capsule's disk. Each is a file that its machine has open and that reads go through. */
export const MOST_BELOW = 128;
/** Layers that a capsule and its saved moments need together. */
const MOST_NEEDED = 1024;

/**
 * Admits one more disk layer for a checkpoint or fork. A checkpoint that is deleted leaves its layer below the disk, so that a number
 * of checkpoints bounds no number of layers. A pause is always admitted: what follows it, at the latest a resume, writes all layers into one.
 *
 * @throws WrennError `too_many_layers`.
 */
export function requireRoomForLayer({
  layers,
  generations,
}: Pick<CapsuleRecord, "layers" | "generations">): void {
  const needed = new Set([...layers, ...generations.flatMap((generation) => generation.layers)]);
  const rows = [
    [layers.length, MOST_BELOW],
    [needed.size, MOST_NEEDED],
  ] as const;
  for (const [count, limit] of rows)
    if (count >= limit) throw new WrennError("too_many_layers", { count, limit });
}
