import { readdir, readFile } from "node:fs/promises";
import { hasCode } from "@wrenn/system";

/**
 * The proportional set size of a process and everything below it, in MiB: pages that several processes map count in part for each.
 *
 * @throws Error where the process does not exist.
 */
export async function memoryOfTree(pid: number): Promise<number> {
  const pids = [pid, ...(await descendantsOf(pid))];
  const parts = await Promise.all(pids.map(memoryOfProcess));
  return parts.reduce((sum, mib) => sum + mib, 0);
}

async function descendantsOf(pid: number): Promise<readonly number[]> {
  const threads = await readdir(`/proc/${pid}/task`);
  const lists = await Promise.all(
    threads.map(async (thread) => await readIfAlive(`/proc/${pid}/task/${thread}/children`)),
  );
  const children = lists.join(" ").split(/\s+/).filter(Boolean).map(Number);
  const below = await Promise.all(
    children.map(async (child) => await descendantsOf(child).catch(emptyIfGone)),
  );
  return [...children, ...below.flat()];
}

/** Nothing for a process that has exited. */
async function memoryOfProcess(pid: number): Promise<number> {
  const rollup = await readIfAlive(`/proc/${pid}/smaps_rollup`);
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) / 1024;
}

/** Processes of a tree can exit while it is read. */
async function readIfAlive(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    emptyIfGone(error);
    return "";
  });
}

function emptyIfGone(error: unknown): readonly number[] {
  if (hasCode(error, "ENOENT") || hasCode(error, "ESRCH")) return [];
  throw error;
}
