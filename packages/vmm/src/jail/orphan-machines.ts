import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, signalProcess } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

/** Ticks of a second in /proc, which is part of the kernel's interface (proc_pid_stat(5), USER_HZ). */
const TICKS = 100;

/** The supervisor of a machine, and with it the machine. */
export interface JailedMachine {
  readonly supervisor: ProcessIdentity;
  /** The machine's own directory, which its owner reaches it by. */
  readonly directory: string;
  readonly ageMs: number;
}

/** Every machine in a jail of ours on this host, whoever started it. */
export async function listMachines(): Promise<readonly JailedMachine[]> {
  const uptime = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]);
  const machines: JailedMachine[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0");
    const at = argv.indexOf("--run");
    const directory = argv[at + 1];
    if (argv[0]?.split("/").at(-1) !== "wrenn-jail" || at < 0 || !directory?.startsWith("/")) continue;
    const supervisor = await identifyProcess(Number(name));
    if (!supervisor) continue;
    const ageMs = (uptime - Number(supervisor.startTime) / TICKS) * 1000;
    machines.push({ supervisor, directory, ageMs });
  }
  return machines;
}

/** Ends a machine whose owner is gone; the kernel ends it with its supervisor. */
export async function endMachine({ supervisor }: JailedMachine): Promise<void> {
  await signalProcess(supervisor, "SIGKILL");
}

/** Ids of groups in which no process is, and for how long they have existed. */
export async function listEmptyGroups(
  version: 1 | 2,
  ids: readonly string[],
): Promise<readonly { readonly id: string; readonly ageMs: number }[]> {
  const root = version === 2 ? "/sys/fs/cgroup/wrenn" : "/sys/fs/cgroup/memory/wrenn";
  const empty: { id: string; ageMs: number }[] = [];
  for (const id of ids) {
    const processes = await readFile(join(root, id, "cgroup.procs"), "utf8").catch(() => undefined);
    const made = await stat(join(root, id)).catch(() => undefined);
    if (processes?.trim() === "" && made) empty.push({ id, ageMs: Date.now() - made.mtimeMs });
  }
  return empty;
}
