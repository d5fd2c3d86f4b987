import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { identifyProcess, isAlive, signalProcess } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";

/** Ticks of a second in /proc, which is part of the kernel's interface (proc_pid_stat(5), USER_HZ). */
const TICKS = 100;

const PAGE_SERVER = "wrenn-page-server";
/** In a page server's environment, and so on its jail's command line: the process that it ends with. */
const OWNER = "WRENN_OWNER";

/** The supervisor of a machine, and with it the machine. */
export interface JailedMachine {
  readonly supervisor: ProcessIdentity;
  /** The machine's own directory, which its owner reaches it by. */
  readonly directory: string;
  readonly ageMs: number;
}

/** The supervisor of a page server, and with it the program. */
export interface RunningPageServer extends JailedMachine {
  /** Whether the process lives that started it. */
  readonly hasOwner: boolean;
}

/** Every machine in a jail of ours on this host, whoever started it. */
export async function listMachines(): Promise<readonly JailedMachine[]> {
  const jails = await listJails();
  return jails.filter(({ program }) => program !== PAGE_SERVER).map(({ machine }) => machine);
}

/** Every page server in a jail of ours on this host, whoever started it. */
export async function listPageServers(): Promise<readonly RunningPageServer[]> {
  const servers: RunningPageServer[] = [];
  for (const { program, machine, argv } of await listJails()) {
    if (program !== PAGE_SERVER) continue;
    const label = argv.find((argument) => argument.startsWith(`${OWNER}=`));
    const [pid = "", startTime = ""] = label?.slice(OWNER.length + 1).split(":") ?? [];
    servers.push({ ...machine, hasOwner: await isAlive({ pid: Number(pid), startTime }) });
  }
  return servers;
}

/** The environment by which {@link listPageServers} finds the owner. */
export function pageServerOwner({ pid, startTime }: ProcessIdentity): Record<string, string> {
  return { [OWNER]: `${pid}:${startTime}` };
}

interface Jail {
  readonly machine: JailedMachine;
  /** Name of what runs in it. */
  readonly program: string;
  readonly argv: readonly string[];
}

async function listJails(): Promise<readonly Jail[]> {
  const uptime = Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]);
  const jails: Jail[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const argv = (await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).split("\0");
    const at = argv.indexOf("--run");
    const directory = argv[at + 1];
    if (argv[0]?.split("/").at(-1) !== "wrenn-jail" || at < 0 || !directory?.startsWith("/")) continue;
    const supervisor = await identifyProcess(Number(name));
    if (!supervisor) continue;
    const ageMs = (uptime - Number(supervisor.startTime) / TICKS) * 1000;
    const program = argv[argv.indexOf("--") + 1]?.split("/").at(-1) ?? "";
    jails.push({ machine: { supervisor, directory, ageMs }, program, argv });
  }
  return jails;
}

/** Ends a machine or a page server whose owner is gone; the kernel ends it with its supervisor. */
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
