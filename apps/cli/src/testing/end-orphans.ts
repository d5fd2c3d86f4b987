import { readFile, readdir } from "node:fs/promises";

/** Environment variable that every process of a test run inherits; its value is the run's pid. */
export const TEST_RUN = "WRENN_TEST_RUN";

/**
 * Ends processes of this test run whose parents are gone: whose parent, whichever process adopts orphans here, is not of the run. They hold the output of their test file open, for which the runner
 * would wait without end. Capsules are no such processes: a jail's environment is empty.
 *
 * @param run - value of {@link TEST_RUN}.
 * @param olderThanMs - younger orphans may be part of a test that still goes on.
 * @returns what was ended, for the log.
 */
export async function endOrphans(run: string, olderThanMs: number): Promise<readonly string[]> {
  const ended: string[] = [];
  const uptimeMs = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1000;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // Fields of proc_pid_stat(5) after the name: 4 is the parent, 22 the start in ticks of 10 ms.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const parent = fields[1] ?? "";
    if (parent === run || uptimeMs - Number(fields[19]) * 10 < olderThanMs) continue;
    if (!(await isOfRun(run, pid)) || (await isOfRun(run, parent))) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (!kill(Number(pid))) continue;
    ended.push(`${pid} ${command.replaceAll("\0", " ").slice(0, 120)}`);
  }
  return ended;
}

async function isOfRun(run: string, pid: string): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return environment.split("\0").includes(`${TEST_RUN}=${run}`);
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}
