import { readdir, readFile } from "node:fs/promises";

/** Milliseconds that each thread of a process has waited for a processor, by its number (`schedstat`, proc(5)). */
export type RunDelays = ReadonlyMap<string, number>;

/** Reads for how long the threads of a process could not run although they had something to do. Empty when that is not known. */
export async function readRunDelays(pid: number): Promise<RunDelays> {
  const tasks = `/proc/${pid}/task`;
  const delays = new Map<string, number>();
  for (const thread of await readdir(tasks).catch(() => [])) {
    const text = await readFile(`${tasks}/${thread}/schedstat`, "utf8").catch(() => "");
    const nanoseconds = Number(text.split(" ")[1]);
    if (Number.isFinite(nanoseconds)) delays.set(thread, nanoseconds / 1e6);
  }
  return delays;
}

/** How much longer than before the most delayed thread has waited. */
export function addedDelay(before: RunDelays, now: RunDelays): number {
  let most = 0;
  for (const [thread, delay] of now) most = Math.max(most, delay - (before.get(thread) ?? delay));
  return most;
}
