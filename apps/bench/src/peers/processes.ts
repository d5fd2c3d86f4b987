import { readdir, readFile } from "node:fs/promises";

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
    threads.map(async (thread) => await readFile(`/proc/${pid}/task/${thread}/children`, "utf8")),
  );
  const children = lists.join(" ").split(/\s+/).filter(Boolean).map(Number);
  const below = await Promise.all(children.map(descendantsOf));
  return [...children, ...below.flat()];
}

async function memoryOfProcess(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
}
