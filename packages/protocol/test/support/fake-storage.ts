import type { CheckpointFacts, HostStorage } from "@wrenn/protocol";

const BLOCK = 4096;

/**
 * What capsules occupy on a fake host: a disk, what each moment saved, and a disk layer for each moment.
 *
 * @param diskBytes - sizes of disks; default: one block.
 */
export function storageOf(
  ids: Iterable<string>,
  diskBytes: ReadonlyMap<string, number>,
  checkpointsOf: (id: string) => readonly CheckpointFacts[],
): HostStorage {
  const measured = [...ids].map((id) => {
    const checkpoints = checkpointsOf(id);
    return {
      id,
      bytes:
        (diskBytes.get(id) ?? BLOCK) + checkpoints.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
      checkpoints: checkpoints.filter(({ kind }) => kind === "checkpoint").length,
      layers: checkpoints.map((checkpoint) => `${id}-${checkpoint.id}`),
    };
  });
  return {
    capsules: measured,
    layers: measured.flatMap(({ layers }) => layers.map((id) => ({ id, bytes: BLOCK }))),
  };
}
