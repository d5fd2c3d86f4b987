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
  /**
   * Finds an image in an archive on this host, for its platform. The archive has all of it: who sends the description alone of an image
   * that is here does not get it.
   *
   * @throws WrennError `image_archive_invalid`, `image_choice_needed`, `image_not_found`, `image_platform_missing`, `image_damaged`,
   *   `image_unsupported`, `image_too_large`, `disk_full`.
   */
  findInArchive(archive: ArchiveFile, signal: AbortSignal): Promise<FoundImage>;
}

/** An archive of images, which stays until the image is pulled. */
export interface ArchiveFile {
  readonly path: string;
  /** How errors call it. */
  readonly name: string;
  /** Of the image; undefined: the only one. */
  readonly image: string | undefined;
  /** An existing directory for this call. */
  readonly scratch: string;
  /** Is asked again and again while the archive is decompressed. @throws WrennError `disk_full`. */
  readonly admit: () => Promise<void>;
}

/** An image in a registry or an archive. */
export interface FoundImage {
  /** Of the manifest for the platform of this host: `sha256:…`. */
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
