import { readFile, stat } from "node:fs/promises";
import { problemOf, WrennError } from "@wrenn/core";
import type { MemoryRegion } from "../hypervisor.ts";

/** Address range, permissions, offset, device, inode, path. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)\s+(.*)$/;

interface Piece {
  readonly from: bigint;
  readonly to: bigint;
  readonly offset: bigint;
  readonly inode: bigint;
}

/**
 * Where the guest's memory lies in the VMM: the mapping of its memory file (proc_pid_maps(5)). It may be in pieces with served
 * pages, which no file lies below, between them: where the memory begins follows from any piece and its offset in the file. The
 * file is known by its inode: how its path looks depends on whose root directory it is seen from.
 *
 * @throws WrennError `machine_died` when the process has no memory any more; `operation_failed` when there is no run of
 *   `size` bytes around a piece.
 */
export async function findMemoryRegion(pid: number, memoryFile: string, size: number): Promise<MemoryRegion> {
  const pieces = parseMaps(await readMaps(pid));
  const { ino } = await stat(memoryFile, { bigint: true });
  for (const piece of pieces) {
    // Another file system may have a file of the same number; only a whole memory is this large.
    const address = piece.from - piece.offset;
    if (piece.inode === ino && isCovered(pieces, address, address + BigInt(size)))
      return { pid, address, size };
  }
  // One that died while its maps were read showed a part of them.
  await readMaps(pid);
  throw new WrennError("operation_failed", {
    operation: "finding the guest's memory",
    problem: `no mapping of ${size} bytes of ${memoryFile}`,
  });
}

async function readMaps(pid: number): Promise<string> {
  let maps = "";
  try {
    maps = await readFile(`/proc/${pid}/maps`, "utf8");
  } catch (error) {
    throw new WrennError("machine_died", { problem: problemOf(error) }, { cause: error });
  }
  // A process that has ended and is not waited for yet.
  if (maps === "") throw new WrennError("machine_died", { problem: "its memory is gone" });
  return maps;
}

function parseMaps(maps: string): readonly Piece[] {
  return maps.split("\n").flatMap((line) => {
    const [, from, to, offset, inode] = MAPPING.exec(line) ?? [];
    if (from === undefined || to === undefined || offset === undefined || inode === undefined) return [];
    return [
      {
        from: BigInt(`0x${from}`),
        to: BigInt(`0x${to}`),
        offset: BigInt(`0x${offset}`),
        inode: BigInt(inode),
      },
    ];
  });
}

/** Whether the pieces, which ascend, leave no gap between two addresses. */
function isCovered(pieces: readonly Piece[], from: bigint, to: bigint): boolean {
  let at = from;
  for (const piece of pieces) {
    if (piece.to <= at) continue;
    if (piece.from > at) return false;
    at = piece.to;
    if (at >= to) return true;
  }
  return false;
}
