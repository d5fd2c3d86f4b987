import { readFile } from "node:fs/promises";
import type { HostFacts, IdleMachines } from "@wrenn/protocol";
import type { Host } from "../host-agent-deps.ts";

/** Part of the host's memory that has to be free for machines that no one uses to be kept. */
export const FREE_TO_KEEP = 0.12;

/** How much memory a host has, and how much of it is free. */
export type HostMemory = Pick<Host, "freeMemoryMib"> & { readonly facts: Pick<HostFacts, "memoryMib"> };

/** By how many MiB the host falls short of this free part of its memory once `needMib` more are used; 0 when it does not. */
export function missingMib({ facts, freeMemoryMib }: HostMemory, part: number, needMib: number): number {
  return Math.max(0, facts.memoryMib * part + needMib - freeMemoryMib());
}

/** What processes hold together, bytes; see {@link readOwnMemory}. */
export async function measureMemory(pids: readonly number[]): Promise<IdleMachines> {
  const bytes = await Promise.all(pids.map((pid) => readOwnMemory(pid)));
  return { count: pids.length, memoryBytes: bytes.reduce((sum, one) => sum + one, 0) };
}

/** Bytes of memory that are free again without the process; 0 when it is gone. Pages of files are not counted. */
export async function readOwnMemory(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Private_Dirty: +(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
