import { readFile, stat } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { MemoryRegion } from "../hypervisor.ts";

/** Address range, permissions, offset, device, inode, path. */
const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+)\s+(.*)$/;

/**
 * Where the guest's memory lies in the VMM: the mapping of its memory file (proc_pid_maps(5)). The kernel may show it in
 * several adjoining pieces. The file is known by its inode: how its path looks depends on whose root directory it is seen from.
 *
 * @throws WrennError `operation_failed` when the pieces do not make up one run of `size` bytes.
 */
export async function findMemoryRegion(pid: number, memoryFile: string, size: number): Promise<MemoryRegion> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  const { ino } = await stat(memoryFile, { bigint: true });
  let start: bigint | undefined;
  let end = 0n;
  for (const line of maps.split("\n")) {
    const [, from, to, inode = "0"] = MAPPING.exec(line) ?? [];
    if (from === undefined || to === undefined || BigInt(inode) !== ino) continue;
    // Another file system may have a file of the same number; only a whole memory is this large.
    if (start !== undefined && BigInt(`0x${from}`) !== end) start = undefined;
    start ??= BigInt(`0x${from}`);
    end = BigInt(`0x${to}`);
    if (end - start === BigInt(size)) return { pid, address: start, size };
  }
  throw new WrennError("operation_failed", {
    operation: "finding the guest's memory",
    problem: `no mapping of ${size} bytes of ${memoryFile}`,
  });
}
