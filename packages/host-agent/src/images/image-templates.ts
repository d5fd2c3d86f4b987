import { createHash } from "node:crypto";
import type { ImageDisk, ImageDisks } from "@wrenn/disk-image";
import type { ImageSettings } from "@wrenn/protocol";
import type { BootKernel } from "../machines/machines.ts";
import { bootTemplate } from "../templates/boot-template.ts";
import type { BootTemplateDeps } from "../templates/boot-template.ts";
import type { FindRecipe } from "../templates/template-store.ts";
import { imageOfTemplate } from "./image-template-names.ts";

/** Of machines that are frozen without a request for a size. */
const DEFAULT_SHAPE = { vcpus: 1, memoryMib: 512 };

export interface ImageTemplateDeps extends Omit<BootTemplateDeps, "artifacts"> {
  readonly images: Pick<ImageDisks<ImageSettings>, "find">;
  /** Kernel and first file system for a disk with the modules of this release. */
  readonly bootFiles: (
    signal: AbortSignal,
    release: string,
  ) => Promise<BootKernel & { readonly key: string }>;
}

/** Finds templates of imported images by their names, for as long as their disks are in the cache. */
export function imageTemplates({ images, bootFiles, ...deps }: ImageTemplateDeps): FindRecipe {
  return async (name) => {
    const key = imageOfTemplate(name);
    const disk = key === undefined ? undefined : await images.find(key);
    if (disk === undefined) return undefined;
    const { diskMib } = disk;
    const artifacts = async (signal: AbortSignal) => {
      const kernel = await bootFiles(signal, disk.kernelRelease);
      return { ...kernel, rootfs: disk.rootfs, hash: hashOf(disk, kernel.key) };
    };
    return bootTemplate(
      { ...deps, artifacts },
      { name, defaultShape: DEFAULT_SHAPE, diskMib, ownPrograms: false },
    );
  };
}

/** The same image is another disk when it was made again: what was frozen over the earlier one does not fit. */
function hashOf({ key, build }: ImageDisk<ImageSettings>, kernel: string): string {
  return createHash("sha256")
    .update(JSON.stringify([key, build, kernel]))
    .digest("hex");
}
