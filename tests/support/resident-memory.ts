import { readFile } from "node:fs/promises";

/** Watches how far the resident memory of a process grows beyond what it is now, in MiB, until asked. */
export async function watchGrowth(pid: number): Promise<() => number> {
  const before = await residentMib(pid);
  let peak = before;
  const timer = setInterval(() => {
    residentMib(pid).then(
      (now) => (peak = Math.max(peak, now)),
      () => undefined,
    );
  }, 100);
  return () => {
    clearInterval(timer);
    return peak - before;
  };
}

/** Resident memory of a process, in MiB. */
export async function residentMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}
