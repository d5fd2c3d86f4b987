import { readdir, readFile } from "node:fs/promises";

/** Everything of Wrenn that lives in the kernel or as a process right now: machines, namespaces, links, cgroups, mounts. */
export async function findLeftovers(): Promise<readonly string[]> {
  return [
    ...(await machines()),
    ...(await names("/run/netns", "network namespace")),
    ...(await names("/sys/class/net", "network link")),
    ...(await cgroups()),
    ...(await mounts()),
  ].sort();
}

async function machines(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    const program = command.split("\0")[0]?.split("/").at(-1) ?? "";
    if (/^(qemu-system-|wrenn-)/.test(program)) found.push(`process ${pid} ${program}`);
  }
  return found;
}

async function names(directory: string, kind: string): Promise<string[]> {
  const entries = await readdir(directory).catch(() => []);
  return entries.filter((name) => /^(wrenn|wr)[-_0-9a-f]/.test(name)).map((name) => `${kind} ${name}`);
}

async function cgroups(): Promise<string[]> {
  const found: string[] = [];
  for (const controller of await readdir("/sys/fs/cgroup").catch(() => [])) {
    const children = await readdir(`/sys/fs/cgroup/${controller}/wrenn`, { withFileTypes: true }).catch(
      () => [],
    );
    for (const child of children)
      if (child.isDirectory()) found.push(`cgroup ${controller}/wrenn/${child.name}`);
  }
  return found;
}

async function mounts(): Promise<string[]> {
  const table = await readFile("/proc/self/mounts", "utf8");
  return table
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.includes("wrenn"))
    .map((path) => `mount ${path}`);
}
