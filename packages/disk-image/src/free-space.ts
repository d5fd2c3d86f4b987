import { statfs } from "node:fs/promises";
import { WrennError } from "@wrenn/core";

/**
 * Makes sure that there is room before long work begins.
 *
 * @param bytes - how many must be free on the file system of the directory `path`.
 * @throws WrennError `disk_full`.
 */
export async function checkFreeSpace(path: string, bytes: number): Promise<void> {
  const space = await statfs(path);
  if (space.bavail * space.bsize < bytes) throw new WrennError("disk_full", { path });
}
