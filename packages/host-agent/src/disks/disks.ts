import { stat } from "node:fs/promises";
import type { DiskReserve } from "./disk-reserve.ts";
import type { LayerStore } from "./layer-store.ts";

/** What makes the disks of capsules. */
export interface Disks {
  /** Makes the writable disk of a capsule on top of another image: root's, of which a machine gets descriptors. */
  readonly create: (
    disk: { readonly path: string; readonly backing: string; readonly sizeMib: number },
    signal: AbortSignal,
  ) => Promise<void>;
  /** Writes a disk with all its layers but the lowest image to `target`. */
  readonly flatten: (source: string, target: string, signal: AbortSignal) => Promise<void>;
  readonly layers: LayerStore;
  /** Admits what writes to the host's disk. */
  readonly reserve: DiskReserve;
}

/** Bytes that files occupy on disk: memory files and disk images are mostly holes. */
export async function allocatedBytes(paths: readonly string[]): Promise<number> {
  let total = 0;
  for (const path of paths) total += (await stat(path)).blocks * 512;
  return total;
}
