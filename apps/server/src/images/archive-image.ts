import type { ImagePuller } from "@wrenn/host-agent";
import { chooseImage, openImageArchive } from "@wrenn/oci";
import { hostPlatform, treeOfImage } from "./image-tree.ts";

/** Images of archives, for the machines of this host. */
export const findInArchive: ImagePuller["findInArchive"] = async (
  { path, name, image, scratch, admit },
  signal,
) => {
  const options = { name, admit };
  await using archive = await openImageArchive(path, { ...options, scratch, signal });
  const source = archive.image(image);
  const chosen = await chooseImage(source, { platform: hostPlatform, signal });
  const blobs = new Map([chosen.config, ...chosen.layers].map((blob) => [blob.digest, blob]));
  for (const blob of blobs.values()) await source.checkBlob(blob, signal);
  return {
    digest: chosen.digest,
    pull: async (directory, onProgress, inner) => {
      await using again = await openImageArchive(path, { ...options, scratch: directory, signal: inner });
      const found = again.image(image);
      const { digest } = await chooseImage(found, { platform: hostPlatform, signal: inner });
      if (digest !== chosen.digest) throw new Error(`${path} has changed`);
      return await treeOfImage(found, { chosen, directory }, onProgress, inner);
    },
  };
};
