import { openImage } from "./image-file.ts";
import { HEADER_BYTES, parseOverlayHeader } from "./overlay-header.ts";
import { withBacking } from "./qcow2.ts";

/**
 * Lets an overlay lie over `image`, a raw file of the same content as the one below it now. Nothing is copied or compared, and neither
 * image is opened. What else the header had is not kept.
 *
 * @throws WrennError `disk_image_refused`; system errors.
 */
export async function rebaseOverlay(path: string, image: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await using overlay = await openImage(path, "write");
  const old = Buffer.alloc(Math.min(HEADER_BYTES, overlay.sizeBytes));
  await overlay.read(old, 0);
  parseOverlayHeader(path, old);
  const header = Buffer.alloc(HEADER_BYTES);
  withBacking(old, image, "raw").copy(header);
  await overlay.handle.write(header, 0, header.length, 0);
  await overlay.handle.datasync();
}
