import { readFile } from "node:fs/promises";

/** Device state, and what a guest usually changes between a look before its stop and one after it. */
const MARGIN_BYTES = 64 * 2 ** 20;

/**
 * The most that a generation of a machine's memory takes: pages that its guest changed are private to its process, so the process's
 * own pages bound them.
 */
export async function mostChangedMemory(pid: number, memoryMib: number): Promise<number> {
  const all = memoryMib * 2 ** 20;
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? Number.NaN) * 1024;
  const own = field("RssAnon") + field("VmSwap");
  return MARGIN_BYTES + (Number.isNaN(own) ? all : Math.min(all, own));
}
