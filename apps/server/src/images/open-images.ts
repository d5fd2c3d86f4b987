import { basename, dirname } from "node:path";
import type { Logger } from "@wrenn/core";
import { createArtifactStore, ImageDisks } from "@wrenn/disk-image";
import { createImageImports, imageTemplates } from "@wrenn/host-agent";
import type {
  DiskReserve,
  FindRecipe,
  ImageImports,
  ImagePuller,
  ImageTemplateDeps,
} from "@wrenn/host-agent";
import type { ImageSettings } from "@wrenn/protocol";
import type { BuiltInTemplate } from "../built-in-template.ts";
import { frozenCache } from "../frozen-cache.ts";

export interface OpenImagesDeps extends Omit<
  ImageTemplateDeps,
  "images" | "bootFiles" | "findBuilt" | "buildOnce"
> {
  readonly logger: Logger;
  readonly reserve: DiskReserve;
  readonly puller: ImagePuller;
  /** Images boot with its kernel, and have disks of its size. */
  readonly builtIn: Pick<BuiltInTemplate, "kernel" | "bootFiles" | "diskMib">;
}

/** Imports of images into the cache, and the templates that they are. */
export function openImages(
  { logger, reserve, puller, builtIn, ...deps }: OpenImagesDeps,
  { cacheDirectory, archives }: { readonly cacheDirectory: string; readonly archives: string },
): { readonly imports: ImageImports; readonly findRecipe: FindRecipe } {
  const store = createArtifactStore(cacheDirectory, logger);
  const disks = new ImageDisks<ImageSettings>(store, deps.random);
  return {
    imports: createImageImports({
      clock: deps.clock,
      puller,
      disks,
      kernel: builtIn.kernel,
      reserve,
      archives,
      usualMib: builtIn.diskMib,
    }),
    findRecipe: imageTemplates({
      ...deps,
      ...frozenCache(store),
      images: disks,
      bootFiles: async (signal, release) => {
        const files = await builtIn.bootFiles(signal, release);
        // The directory in the cache is named after what is in it.
        return { ...files, key: basename(dirname(files.initramfs)) };
      },
    }),
  };
}
