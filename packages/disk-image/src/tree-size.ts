import { runCommand } from "@wrenn/system";
import { INODES_PER_MIB } from "./ext4.ts";
import type { Ext4Size } from "./ext4.ts";

const MIB = 2 ** 20;
/** Disks are made in whole GiB where a tree needs more than the usual. */
const STEP_MIB = 1024;
/** For what a capsule adds to the files of its image. */
const ROOM_MIB = 1024;
/** For metadata of the file system. */
const OVERHEAD = 1.2;
const ROOM_INODES = 65_536;

/** How much a tree holds. A file with several names counts once. */
export interface TreeSize {
  /** As its files occupy them on this machine's disk. */
  readonly bytes: number;
  readonly entries: number;
}

/** Measures a tree without following links. @throws WrennError `command_failed`. */
export async function measureTree(tree: string, signal: AbortSignal): Promise<TreeSize> {
  const read = async (...flags: readonly string[]): Promise<number> => {
    const { stdout } = await runCommand(["du", "--summarize", "--no-dereference", ...flags, "--", tree], {
      signal,
    });
    return Number.parseInt(stdout, 10);
  };
  return { bytes: await read("--block-size=1"), entries: await read("--inodes") };
}

/**
 * The file system that a tree is written to: of the usual size where that leaves 1 GiB, or else larger.
 *
 * @param usualMib - in MiB.
 */
export function sizeFor({ bytes, entries }: TreeSize, usualMib: number): Ext4Size {
  const neededMib = Math.ceil(bytes / MIB) * OVERHEAD + ROOM_MIB;
  const sizeMib = neededMib <= usualMib ? usualMib : Math.ceil(neededMib / STEP_MIB) * STEP_MIB;
  const inodes = entries * 2 + ROOM_INODES;
  return inodes <= sizeMib * INODES_PER_MIB ? { sizeMib } : { sizeMib, inodes };
}
