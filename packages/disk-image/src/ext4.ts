import { chmod, stat } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";

/** Names the file system; the same in every image, so that images of one recipe are alike. */
const FILE_SYSTEM_UUID = "57524e4e-0000-4000-8000-000000000001";
/** mkfs.ext4 makes this many inodes per MiB unless it is told otherwise (mke2fs.conf: one for each 16 KiB). */
export const INODES_PER_MIB = 64;

export interface Ext4Size {
  readonly sizeMib: number;
  /** Default: {@link INODES_PER_MIB}. */
  readonly inodes?: number;
}

/**
 * Writes a directory tree as a sparse raw ext4 image without a journal. Links in the tree are copied and never followed.
 *
 * @throws WrennError `command_failed` when the tree does not fit.
 */
export async function makeExt4(
  tree: string,
  image: string,
  { sizeMib, inodes }: Ext4Size,
  signal: AbortSignal,
): Promise<void> {
  await runCommand(
    [
      "mkfs.ext4",
      "-q",
      "-d",
      tree,
      "-U",
      FILE_SYSTEM_UUID,
      "-m",
      "0",
      ...(inodes === undefined ? [] : ["-N", String(inodes)]),
      "-O",
      "^has_journal",
      "-E",
      `lazy_itable_init=1,hash_seed=${FILE_SYSTEM_UUID}`,
      image,
      `${sizeMib}M`,
    ],
    { signal },
  );
  await chmod(image, 0o644);
  if ((await stat(image)).size !== sizeMib * 2 ** 20) {
    throw new WrennError("operation_failed", {
      operation: "making the file system",
      problem: "the image has the wrong size",
    });
  }
}
