import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, isAbsolute } from "node:path";
import { WrennError } from "@wrenn/core";
import { runCommand, syncDirectory } from "@wrenn/system";
import { checkFreeSpace } from "./free-space.ts";
import { createOverlay } from "./qcow2.ts";

/** One image of a chain. */
export interface ChainLink {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** Bytes of the disk that a guest sees. */
  readonly virtualSize: number;
  /** Bytes that the file takes on the host. */
  readonly allocatedBytes: number;
}

/**
 * The images that a disk consists of, the writable one first. May be asked while a machine uses the disk.
 *
 * @throws WrennError `command_failed` when an image is missing or damaged.
 */
export async function readChain(path: string, signal: AbortSignal): Promise<readonly ChainLink[]> {
  const { stdout } = await runCommand(
    ["qemu-img", "info", "--force-share", "--backing-chain", "--output=json", path],
    { signal },
  );
  return parseChain(path, stdout);
}

/** @throws WrennError `operation_failed` when it is not the answer of `qemu-img info --backing-chain`. */
export function parseChain(path: string, json: string): readonly ChainLink[] {
  const refuse = (problem: string): never => {
    throw new WrennError("operation_failed", { operation: `reading the disk ${path}`, problem });
  };
  const links: unknown = JSON.parse(json);
  if (!Array.isArray(links) || links.length === 0) return refuse("it has no images");
  return links.map((link: Readonly<Record<string, unknown>>) => {
    const { filename, format, "virtual-size": virtualSize, "actual-size": allocatedBytes } = link;
    if (typeof filename !== "string" || !isAbsolute(filename)) return refuse("an image without a path");
    if (format !== "raw" && format !== "qcow2") return refuse(`${filename} is ${String(format)}`);
    if (typeof virtualSize !== "number" || typeof allocatedBytes !== "number")
      return refuse(`${filename} has no size`);
    return { path: filename, format, virtualSize, allocatedBytes };
  });
}

/**
 * Writes the content of all overlays of `source` into one new overlay `target` on the lowest image of the chain, which is
 * shared and stays. Reads slow down with every layer (about twofold at twenty), so this runs off the hot path at about ten.
 * `source` must not be written meanwhile; it stays as it is. `target` appears only when it is complete and durable.
 *
 * @throws WrennError `disk_full` before anything is written, `command_failed` when an image is damaged.
 */
export async function flattenChain(source: string, target: string, signal: AbortSignal): Promise<void> {
  const chain = await readChain(source, signal);
  const overlays = chain.slice(0, -1);
  const base = chain.at(-1);
  const top = overlays.at(0);
  if (base === undefined || top === undefined)
    throw new WrennError("operation_failed", {
      operation: `flattening the disk ${source}`,
      problem: "it is not an overlay",
    });
  const needed = overlays.reduce((sum, { allocatedBytes }) => sum + allocatedBytes, 0);
  await checkFreeSpace(dirname(target), needed);
  const temporary = `${target}.flattening`;
  // A flattening that was killed may have left it.
  await rm(temporary, { force: true });
  try {
    await createOverlay(temporary, {
      backing: source,
      backingFormat: "qcow2",
      sizeMib: top.virtualSize / 2 ** 20,
    });
    // An empty overlay on top of the chain, put onto the base, takes up what lies between. (`convert -B` would compare with
    // the image right below only, and lose what the layers under it hold.)
    await runCommand(["qemu-img", "rebase", "-f", "qcow2", "-b", base.path, "-F", base.format, temporary], {
      signal,
    });
    await makeLike(temporary, source);
    await rename(temporary, target);
    await syncDirectory(dirname(target));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Lets an overlay lie over `image`, a raw file of the same content as the one below it now. Nothing is copied or compared. */
export async function rebaseOverlay(overlay: string, image: string, signal: AbortSignal): Promise<void> {
  await runCommand(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", image, "-F", "raw", overlay], {
    signal,
  });
}

/** Gives a new image the owner and rights of the old one, and makes it durable. */
async function makeLike(path: string, model: string): Promise<void> {
  const { uid, gid, mode } = await stat(model);
  const file = await open(path, "r+");
  try {
    await file.chown(uid, gid);
    await file.chmod(mode & 0o777);
    await file.sync();
  } finally {
    await file.close();
  }
}
