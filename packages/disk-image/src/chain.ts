import { dirname, isAbsolute } from "node:path";
import { WrennError } from "@wrenn/core";
import { ClusterMap } from "./cluster-map.ts";
import { openImage } from "./image-file.ts";
import type { OpenImage } from "./image-file.ts";
import { readHeaderOf } from "./overlay-header.ts";
import type { ImageFormat } from "./qcow2.ts";

/** Overlays of one disk. A capsule has at most 128 layers and one per pause since; its template has two images. */
const MAX_OVERLAYS = 200;

/** The disk of a capsule or template. */
export interface DiskFiles {
  /** The topmost overlay. */
  readonly path: string;
  /**
   * The other images that the disk may consist of: files, and directories that hold such files. A machine has written the overlays, so
   * that what they name is not trusted: a caller lists what the machine itself could read.
   */
  readonly readable: readonly string[];
}

/** The images of a disk, open for reading. */
export interface OpenChain extends AsyncDisposable {
  /** The topmost first. */
  readonly overlays: readonly ClusterMap[];
  /** The raw image under all of them. */
  readonly base: OpenImage;
}

/**
 * Opens all images of a disk. The name of each comes from the header of the overlay above it and is only used when it is exactly what
 * this server writes: the absolute path of an image in `readable`, with the format that belongs to its name.
 *
 * @throws WrennError `disk_image_refused`, which names the overlay; system errors.
 */
export async function openChain(disk: DiskFiles): Promise<OpenChain> {
  await using opened = new AsyncDisposableStack();
  const identities = new Set<string>();
  const openOnce = async (path: string): Promise<OpenImage> => {
    const image = opened.use(await openImage(path));
    if (identities.has(image.identity)) throw refused(path, "it is in the disk twice");
    identities.add(image.identity);
    return image;
  };
  const overlays: ClusterMap[] = [];
  for (let path = disk.path; ;) {
    if (overlays.length === MAX_OVERLAYS) throw refused(disk.path, `it has more than ${MAX_OVERLAYS} images`);
    const image = await openOnce(path);
    const header = await readHeaderOf(image);
    overlays.push(await ClusterMap.open(image, header));
    const { backing } = header;
    if (!backing) throw refused(path, "it is not an overlay on another image");
    if (!isReadable(backing.path, disk.readable))
      throw refused(path, `it names an image that is not one of the disk: ${JSON.stringify(backing.path)}`);
    if (backing.format !== imageFormat(backing.path))
      throw refused(path, `it names ${JSON.stringify(backing.path)} as ${backing.format}`);
    ({ path } = backing);
    if (backing.format === "raw") break;
  }
  const base = await openOnce(overlays.at(-1)?.header.backing?.path ?? "");
  const kept = opened.move();
  return { overlays, base, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** The format of an image of this server, which its name shows. */
export function imageFormat(path: string): ImageFormat {
  return path.endsWith(".qcow2") ? "qcow2" : "raw";
}

/** Whether a path is one of these, or names a file in one of them. `..`, `.` and doubled slashes make it another path. */
function isReadable(path: string, readable: readonly string[]): boolean {
  const isPlain =
    isAbsolute(path) &&
    !path
      .slice(1)
      .split("/")
      .some((name) => ["", ".", ".."].includes(name));
  return isPlain && !path.includes("\0") && (readable.includes(path) || readable.includes(dirname(path)));
}

function refused(path: string, problem: string): WrennError {
  return new WrennError("disk_image_refused", { path, problem });
}
