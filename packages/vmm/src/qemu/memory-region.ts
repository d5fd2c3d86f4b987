import { open, stat } from "node:fs/promises";
import { problemOf, WrennError } from "@wrenn/core";
import type { MemoryRegion } from "../hypervisor.ts";

/** Address range, permissions, offset, device, inode. The path behind them may be kilobytes long and is not looked at. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) \S+ (\d+)/;
/** Longest that these are. */
const FIELDS_LIMIT = 128;
const CHUNK = 64 << 10;
/**
 * Of a list of mappings: five times the kernel's limit of 65,530 with paths of usual length. A process that has been taken over can map
 * files with paths of 4 KiB.
 */
const MAPS_LIMIT = 64 << 20;

interface Piece {
  readonly from: bigint;
  readonly to: bigint;
  readonly offset: bigint;
  readonly inode: bigint;
}

/**
 * Where the guest's memory lies in the VMM: the mapping of its memory file (proc_pid_maps(5)). It may be in pieces with served
 * pages, which no file lies below, between them: where the memory begins follows from any piece and its offset in the file. The
 * file is known by its inode: how its path looks depends on whose root directory it is seen from. The process decides about its
 * mappings: they are read in pieces, and each is looked at once.
 *
 * @throws WrennError `machine_died` when the process has no memory any more; `operation_failed` when there is no run of
 *   `size` bytes around a piece.
 */
export async function findMemoryRegion(pid: number, memoryFile: string, size: number): Promise<MemoryRegion> {
  const { ino } = await stat(memoryFile, { bigint: true });
  const search = new MemorySearch(ino, BigInt(size));
  await eachMapping(pid, (piece) => search.take(piece));
  const address = search.finish();
  if (address !== undefined) return { pid, address, size };
  // One that died while its maps were read showed a part of them.
  await eachMapping(pid, () => "enough");
  throw new WrennError("operation_failed", {
    operation: "finding the guest's memory",
    problem: `no mapping of ${size} bytes of ${memoryFile}`,
  });
}

/** Looks for a memory among mappings that ascend. */
export class MemorySearch {
  readonly #inode: bigint;
  readonly #size: bigint;
  /** Mappings without a gap between them. */
  #run: { from: bigint; to: bigint } | undefined;
  /** Where the memory begins by the pieces of this run: the same place for each piece of one memory. */
  #candidates = new Set<bigint>();
  #found: bigint | undefined;

  constructor(inode: bigint, size: bigint) {
    this.#inode = inode;
    this.#size = size;
  }

  /** @returns `enough` once no further mapping can matter. */
  take({ from, to, offset, inode }: Piece): "enough" | undefined {
    if (this.#run?.to === from) this.#run.to = to;
    else {
      this.finish();
      this.#run = { from, to };
      this.#candidates = new Set();
    }
    // Another file system may have a file of the same number; only a whole memory is this large.
    const address = from - offset;
    if (inode === this.#inode && address >= this.#run.from) this.#candidates.add(address);
    return this.#found === undefined ? undefined : "enough";
  }

  /** The address of the memory; undefined when there is none among the mappings so far. */
  finish(): bigint | undefined {
    const end = this.#run?.to ?? 0n;
    this.#found ??= this.#candidates.values().find((address) => address + this.#size <= end);
    return this.#found;
  }
}

/** Calls `take` for each mapping, until it has enough. */
async function eachMapping(pid: number, take: (piece: Piece) => "enough" | undefined): Promise<void> {
  try {
    await using maps = await open(`/proc/${pid}/maps`);
    const bytes = Buffer.allocUnsafe(CHUNK);
    let rest = "";
    for (let total = 0; ;) {
      const { bytesRead } = await maps.read(bytes, 0, CHUNK);
      // A process that has ended and is not waited for yet.
      if (bytesRead === 0 && total === 0) throw new Error("its memory is gone");
      if (bytesRead === 0) return;
      total += bytesRead;
      if (total > MAPS_LIMIT) throw tooLong(pid);
      const lines = (rest + bytes.toString("latin1", 0, bytesRead)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const piece = parseMapping(line);
        if (piece && take(piece) === "enough") return;
      }
    }
  } catch (error) {
    if (error instanceof WrennError) throw error;
    throw new WrennError("machine_died", { problem: problemOf(error) }, { cause: error });
  }
}

function tooLong(pid: number): WrennError {
  return new WrennError("operation_failed", {
    operation: "finding the guest's memory",
    problem: `the list of mappings of process ${pid} is longer than ${MAPS_LIMIT} bytes`,
  });
}

function parseMapping(line: string): Piece | undefined {
  const [, from, to, offset, inode] = MAPPING.exec(line.slice(0, FIELDS_LIMIT)) ?? [];
  if (from === undefined || to === undefined || offset === undefined || inode === undefined) return undefined;
  return {
    from: BigInt(`0x${from}`),
    to: BigInt(`0x${to}`),
    offset: BigInt(`0x${offset}`),
    inode: BigInt(inode),
  };
}
