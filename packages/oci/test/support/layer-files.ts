import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { LayerFile } from "@wrenn/oci";
import { compress, sha256 } from "./built-image.ts";
import type { LayerCompression } from "./built-image.ts";
import type { ScratchDirectory } from "./scratch-directory.ts";
import { tarOf } from "./tar-builder.ts";
import type { TestMember } from "./tar-builder.ts";

/** Layers on disk, as a pull leaves them. */
export async function layersOf(
  directory: ScratchDirectory,
  layers: readonly (readonly TestMember[] | Buffer)[],
  compression: LayerCompression = "gzip",
): Promise<readonly LayerFile[]> {
  const files: LayerFile[] = [];
  for (const [at, layer] of layers.entries()) {
    const archive = Buffer.isBuffer(layer) ? layer : tarOf(layer);
    const bytes = compress(archive, compression);
    const path = join(directory.path, `layer-${at}`);
    await writeFile(path, bytes);
    files.push({ path, digest: sha256(bytes), diffId: sha256(archive), size: bytes.length });
  }
  return files;
}
