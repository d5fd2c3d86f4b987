import type { BuiltImage } from "./built-image.ts";

/** Files of an archive of docker save, with an image by each tag. */
export function dockerFiles(images: Readonly<Record<string, BuiltImage>>): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const manifest = Object.entries(images).map(([tag, { config, layers }]) => {
    const hex = (digest: string): string => digest.replace("sha256:", "");
    if (!config) throw new Error("an index has no place in such an archive");
    files.set(`${hex(config.digest)}.json`, config.bytes);
    for (const { digest, bytes } of layers) files.set(`${hex(digest)}/layer.tar`, bytes);
    return {
      Config: `${hex(config.digest)}.json`,
      RepoTags: tag === "" ? null : [tag],
      Layers: layers.map(({ digest }) => `${hex(digest)}/layer.tar`),
    };
  });
  files.set("manifest.json", Buffer.from(JSON.stringify(manifest)));
  return files;
}
