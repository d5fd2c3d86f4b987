import { readSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { problemOf, WrennError } from "@wrenn/core";
import { pageSize } from "./page.ts";

/** Where a guest's memory lies in its VMM process. */
export interface ProcessMemory {
  readonly pid: number;
  readonly address: bigint;
  /** Bytes. */
  readonly size: number;
}

/** Neighbouring pages that differ from the base: their bytes, valid until the next run is asked for. */
export interface PageRun {
  readonly firstPage: number;
  readonly bytes: Buffer;
}

/** The dirty pages of one memory: how many, and their bytes in runs. */
export interface DirtyPages {
  /** Bytes. */
  readonly memorySize: number;
  readonly count: number;
  runs(signal: AbortSignal): AsyncIterable<PageRun>;
}

/** Bytes read from /proc/<pid>/pagemap at once: the entries of 512 MiB. */
const pagemapPiece = 1 << 20;
const maxRunPages = 256;
// High halves of the 64-bit entries of pagemap (Documentation/admin-guide/mm/pagemap.rst).
const presentOrSwapped = 0xc0_00_00_00;
const fileOrShared = 0x20_00_00_00;

/**
 * Finds the pages of a private mapping that were written: present or swapped, and anonymous. The process must not run
 * guest code meanwhile.
 *
 * @throws WrennError `host_swap_on`; `machine_died` when the process is gone, here or while its pages are read.
 */
export async function findDirtyPages(
  memory: ProcessMemory,
  signal: AbortSignal,
  swapTable = "/proc/swaps",
): Promise<DirtyPages> {
  await refuseSwap(swapTable);
  const runs = await withProcessFile(memory.pid, "pagemap", (file) => scan(file, memory, signal));
  return {
    memorySize: memory.size,
    count: runs.reduce((sum, run) => sum + run.pages, 0),
    runs: (readSignal) => readRuns(memory, runs, readSignal),
  };
}

interface Run {
  readonly firstPage: number;
  pages: number;
}

async function scan(file: FileHandle, memory: ProcessMemory, signal: AbortSignal): Promise<Run[]> {
  const runs: Run[] = [];
  const entries = memory.size / pageSize;
  const piece = Buffer.allocUnsafeSlow(Math.min(pagemapPiece, entries * 8));
  const start = Number(memory.address / BigInt(pageSize)) * 8;
  for (let done = 0; done < entries;) {
    signal.throwIfAborted();
    const length = Math.min(piece.length, (entries - done) * 8);
    const { bytesRead } = await file.read(piece, 0, length, start + done * 8);
    if (bytesRead < 8) throw new WrennError("machine_died", { problem: "its page map ends early" });
    const halves = new Uint32Array(piece.buffer, 0, Math.floor(bytesRead / 8) * 2);
    appendDirty(runs, halves, done);
    done += halves.length / 2;
  }
  return runs;
}

/** Adds what `halves` (low and high words in turn) says about the pages from `firstPage` on. */
function appendDirty(runs: Run[], halves: Uint32Array, firstPage: number): void {
  let current = runs.at(-1);
  for (let index = 1; index < halves.length; index += 2) {
    const high = halves[index] ?? 0;
    if ((high & presentOrSwapped) === 0 || (high & fileOrShared) !== 0) continue;
    const page = firstPage + (index >> 1);
    if (current !== undefined && current.firstPage + current.pages === page && current.pages < maxRunPages) {
      current.pages += 1;
    } else {
      current = { firstPage: page, pages: 1 };
      runs.push(current);
    }
  }
}

async function* readRuns(
  memory: ProcessMemory,
  runs: readonly Run[],
  signal: AbortSignal,
): AsyncGenerator<PageRun> {
  const file = await openProcessFile(memory.pid, "mem");
  try {
    const buffer = Buffer.allocUnsafeSlow(maxRunPages * pageSize);
    for (const run of runs) {
      signal.throwIfAborted();
      const length = run.pages * pageSize;
      const at = Number(memory.address) + run.firstPage * pageSize;
      for (let done = 0; done < length;) {
        // A copy of memory, at most 1 MiB: shorter than the detour over the thread pool.
        const bytesRead = readMemory(file.fd, buffer.subarray(done, length), at + done);
        if (bytesRead === 0) throw new WrennError("machine_died", { problem: "its memory ends early" });
        done += bytesRead;
      }
      yield { firstPage: run.firstPage, bytes: buffer.subarray(0, length) };
    }
  } finally {
    await file.close();
  }
}

/** A process that is taken apart answers with an error where it had memory a moment before. */
function readMemory(descriptor: number, target: Buffer, at: number): number {
  try {
    return readSync(descriptor, target, 0, target.length, at);
  } catch (error) {
    throw new WrennError("machine_died", { problem: problemOf(error) }, { cause: error });
  }
}

async function refuseSwap(swapTable: string): Promise<void> {
  const lines = (await readFile(swapTable, "utf8")).trim().split("\n");
  const device = lines[1]?.split(/\s+/)[0];
  if (device !== undefined) throw new WrennError("host_swap_on", { device });
}

async function withProcessFile<T>(
  pid: number,
  name: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await openProcessFile(pid, name);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

async function openProcessFile(pid: number, name: string): Promise<FileHandle> {
  try {
    return await open(`/proc/${pid}/${name}`, "r");
  } catch (error) {
    throw new WrennError("machine_died", { problem: problemOf(error) }, { cause: error });
  }
}
