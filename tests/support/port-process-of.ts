import { readdir, readFile } from "node:fs/promises";

const PROGRAM = "port-process/process.ts";

/** The port processes of a server, by the number of its process. */
export async function portProcessesOf(serverPid: number): Promise<readonly number[]> {
  const found = await portProcesses();
  return found.filter(({ parent }) => parent === serverPid).map(({ pid }) => pid);
}

/** Whether a process runs, and not merely waits to be reaped. */
export async function runs(pid: number): Promise<boolean> {
  const stat = await statOf(pid);
  return stat !== undefined && stat.state !== "Z";
}

async function portProcesses(): Promise<readonly { readonly pid: number; readonly parent: number }[]> {
  const found: { pid: number; parent: number }[] = [];
  for (const pid of (await readdir("/proc")).map(Number)) {
    if (!Number.isInteger(pid)) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const stat = command.includes(PROGRAM) ? await statOf(pid) : undefined;
    if (stat) found.push({ pid, parent: stat.parent });
  }
  return found;
}

async function statOf(pid: number): Promise<{ readonly state: string; readonly parent: number } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const [state = "", parent = ""] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state, parent: Number(parent) };
}
