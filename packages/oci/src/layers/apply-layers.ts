import type { LayerFile } from "../image/pull-image.ts";
import { checkArchitecture } from "./check-architecture.ts";
import type { ArchitectureCheck } from "./check-architecture.ts";
import { unpackLayers } from "./unpack-layers.ts";
import type { UnpackOptions } from "./unpack-layers.ts";
import { writeTree } from "./write-tree.ts";
import type { WrittenTree } from "./write-tree.ts";

export interface ApplyOptions extends UnpackOptions {
  /** An existing empty directory that the files are written below. */
  readonly tree: string;
  /** What the programs of the image must be for. Undefined: they are not looked at. */
  readonly architecture?: ArchitectureCheck;
}

/**
 * Writes the files of an image below an empty directory, from its layers. A layer that is refused leaves nothing there: all are read and
 * verified before the first file is written. Links are never followed on the way.
 *
 * @throws as unpackLayers, checkArchitecture and writeTree.
 */
export async function applyLayers(layers: readonly LayerFile[], options: ApplyOptions): Promise<WrittenTree> {
  await using unpacked = await unpackLayers(layers, options);
  if (options.architecture) await checkArchitecture(unpacked, options.architecture);
  return await writeTree(unpacked, options.tree, options);
}
