import { constants } from "node:fs";
import { open } from "node:fs/promises";

/**
 * The last `limit` bytes of a file that the machine of an earlier version may have made or replaced. Links, pipes and devices are not read: they
 * would show files of others, block or never end.
 *
 * @returns nothing when there is no such file.
 */
export async function readTail(path: string, limit: number): Promise<string> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (!stats.isFile()) return "";
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(limit),
      0,
      limit,
      Math.max(0, stats.size - limit),
    );
    return buffer.toString("latin1", 0, bytesRead);
  } catch {
    return "";
  }
}
