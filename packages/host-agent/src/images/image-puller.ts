import type { ImageTree } from "@wrenn/disk-image";
import type { ImageRequest, ImageSettings, ImportProgress } from "@wrenn/protocol";

/** Where images come from; the composition root knows. */
export interface ImagePuller {
  /**
   * Finds the image that a reference names, for the platform of this host. Downloads no layer, and always asks the registry: it decides
   * who may use the image.
   *
   * @throws WrennError `image_reference_invalid`, `image_not_found`, `image_access_denied`, `registry_unreachable`,
   *   `registry_rate_limited`, `image_platform_missing`, `image_damaged`, `image_unsupported`, `image_too_large`.
   */
  find(request: Pick<ImageRequest, "reference" | "login">, signal: AbortSignal): Promise<FoundImage>;
}

/** An image in a registry. */
export interface FoundImage {
  /** Of what the reference names, which may be a list of images for several platforms: `sha256:…`. */
  readonly digest: string;
  /**
   * Downloads and verifies exactly this image, and writes its file tree into a new directory below `directory`, which is empty. The caller
   * removes `directory`, also after an error.
   *
   * @throws WrennError as {@link ImagePuller.find}, `image_layer_refused`, `image_mislabelled`, `disk_full`; the signal's reason.
   */
  pull(directory: string, onProgress: OnPullProgress, signal: AbortSignal): Promise<ImageTree<ImageSettings>>;
}

export type OnPullProgress = (progress: ImportProgress) => void;
