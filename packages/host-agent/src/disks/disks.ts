import { stat } from "node:fs/promises";
import type { DiskReserve } from "./disk-reserve.ts";
import type { LayerStore } from "./layer-store.ts";

/** A disk with everything that it consists of. */
export interface LayeredDisk {
  /** The topmost image. */
  readonly path: string;
  /** The images below it, and directories that have them: what its machine could read. No other file is read. */
  readonly readable: readonly string[];
}

/**
 * Writes a disk with all its layers but the lowest image to `target`; the composition root knows how.
 *
 * @throws WrennError `disk_full`, `disk_image_refused` for layers that the server has not written like this.
 */
export type FlattenDisk = (disk: LayeredDisk, target: string, signal: AbortSignal) => Promise<void>;

/** What makes the disks of capsules. */
export interface Disks {
  /** Makes the writable disk of a capsule on top of another image: root's, of which a machine gets descriptors. */
  readonly create: (
    disk: { readonly path: string; readonly backing: string; readonly sizeMib: number },
    signal: AbortSignal,
  ) => Promise<void>;
  readonly flatten: FlattenDisk;
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
