import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "./built-image.ts";
import type { BuiltImage } from "./built-image.ts";

/** Files of an OCI layout by their names, with images by their tags. */
export function layoutFiles(images: Readonly<Record<string, BuiltImage>>): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  files.set("oci-layout", Buffer.from(JSON.stringify({ imageLayoutVersion: "1.0.0" })));
  const manifests = Object.entries(images).map(([name, { manifest }]) => ({
    ...describe(manifest),
    annotations: { "org.opencontainers.image.ref.name": name },
  }));
  files.set("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests })));
  for (const image of Object.values(images))
    for (const { digest, bytes } of image.blobs) files.set(`blobs/${digest.replace(":", "/")}`, bytes);
  return files;
}

/** Writes files into a new directory. */
export async function writeFiles(directory: string, files: ReadonlyMap<string, Buffer>): Promise<void> {
  for (const [name, bytes] of files) {
    await mkdir(join(directory, name, ".."), { recursive: true });
    await writeFile(join(directory, name), bytes);
  }
}
