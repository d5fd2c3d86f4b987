import type { Descriptor, ImageSource } from "../image/image-source.ts";
import { formatReference } from "../reference/image-reference.ts";
import { parseReference } from "../reference/parse-reference.ts";

/** An image in an archive. */
export interface ArchivedSource extends ImageSource {
  /** Reads a blob to its end. @throws WrennError `image_damaged` unless the archive has all of it; the signal's reason. */
  checkBlob(blob: Descriptor, signal: AbortSignal): Promise<void>;
}

/** One of the images in an archive. */
export interface ArchivedImage {
  /** References, or only tags; none for an image without a name. */
  readonly names: readonly string[];
  readonly source: ArchivedSource;
}

/** Whether two names mean the same image: `python:3.12` is `docker.io/library/python:3.12`. */
export function isSameName(one: string, other: string): boolean {
  return one === other || fullName(one) === fullName(other);
}

/** Archives may have names that are no references. */
function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
