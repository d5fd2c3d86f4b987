import { readFile } from "node:fs/promises";
import { WrennError } from "@wrenn/core";
import type { MemoryRegion } from "../hypervisor.ts";

const MAPPING = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \d+\s+(.*)$/;

/**
 * Where the guest's memory lies in the VMM: the mapping of its memory file (proc_pid_maps(5)). The kernel may show it in
 * several adjoining pieces.
 *
 * @throws WrennError `operation_failed` when the pieces do not make up one run of `size` bytes.
 */
export async function findMemoryRegion(pid: number, memoryFile: string, size: number): Promise<MemoryRegion> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  let start: bigint | undefined;
  let end = 0n;
  for (const line of maps.split("\n")) {
    const [, from, to, path] = MAPPING.exec(line) ?? [];
    if (from === undefined || to === undefined || path?.trim() !== memoryFile) continue;
    start ??= BigInt(`0x${from}`);
    end = BigInt(`0x${to}`);
  }
  if (start === undefined || end - start !== BigInt(size)) {
    throw new WrennError("operation_failed", {
      operation: "finding the guest's memory",
      problem: `no mapping of ${size} bytes of ${memoryFile}`,
    });
  }
  return { pid, address: start, size };
}
