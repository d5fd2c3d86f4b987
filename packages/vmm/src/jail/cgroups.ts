import { mkdir, readdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WrennError } from "@wrenn/core";
import { exists, hasCode, readFileIfPresent } from "@wrenn/system";

/** What a machine may use. */
export interface CgroupLimits {
  readonly memoryBytes: number;
  readonly processes: number;
  /** In cores. */
  readonly cpu: number;
  /** It gets what the other machines leave, until {@link Cgroups.promote}. */
  readonly background?: boolean;
}

/** Shares of the processor, of machines that are used and of those in the background, by version of the hierarchy. */
const SHARES = {
  1: { used: 1024, background: 2 },
  2: { used: 100, background: 1 },
} as const;

const ROOT = "/sys/fs/cgroup";
const PERIOD_US = 100_000;
/** Processes that were killed need the processor once more to end; among many machines that takes seconds. */
const REMOVE_ATTEMPTS = 4000;
const REMOVE_STEP_MS = 5;
/** Most end within a few milliseconds, which an operation waits for: the first attempts follow each other sooner. */
const EARLY_ATTEMPTS = 10;
const EARLY_STEP_MS = 1;

/** Limits of a host with the unified hierarchy (v2) or with one hierarchy per controller (v1). */
export interface Cgroups {
  readonly version: 1 | 2;
  /** Makes the machine's group and returns the files that a process joins it by. */
  create(id: string, limits: CgroupLimits): Promise<readonly string[]>;
  /** A machine in the background gets the share of all others from now on. */
  promote(id: string): Promise<void>;
  /** Kills what runs in the group: a machine that its owner started and did not come to note before it was killed. */
  end(id: string): Promise<void>;
  /** Removes the group once its processes are gone. Idempotent. */
  remove(id: string): Promise<void>;
}

const CONTROLLERS = ["memory", "pids", "cpu"] as const;

/** Finds out which kind of host this is. @throws WrennError `dependency_missing` where there are no limits to be had. */
export async function openCgroups(): Promise<Cgroups> {
  if (await exists(join(ROOT, "cgroup.controllers"))) return unified();
  for (const controller of CONTROLLERS)
    if (!(await exists(join(ROOT, controller, "tasks"))))
      throw new WrennError("dependency_missing", { what: `the ${controller} controller below ${ROOT}` });
  return perController();
}

function unified(): Cgroups {
  const group = (id: string): string => join(ROOT, "wrenn", id);
  return {
    version: 2,
    create: async (id, limits) => {
      await makeGroup(join(ROOT, "wrenn"));
      await writeFile(join(ROOT, "cgroup.subtree_control"), "+memory +pids +cpu");
      await writeFile(join(ROOT, "wrenn/cgroup.subtree_control"), "+memory +pids +cpu");
      await makeGroup(group(id));
      await writeFile(join(group(id), "memory.max"), String(limits.memoryBytes));
      await writeIfPresent(join(group(id), "memory.swap.max"), "0");
      await writeFile(join(group(id), "pids.max"), String(limits.processes));
      await writeFile(join(group(id), "cpu.max"), `${Math.round(limits.cpu * PERIOD_US)} ${PERIOD_US}`);
      if (limits.background) await setShare(join(group(id), "cpu.weight"), SHARES[2].background);
      return [join(group(id), "cgroup.procs")];
    },
    promote: (id) => setShare(join(group(id), "cpu.weight"), SHARES[2].used),
    end: (id) => endProcesses(group(id)),
    remove: (id) => removeGroup(group(id)),
  };
}

function perController(): Cgroups {
  const group = (controller: string, id: string): string => join(ROOT, controller, "wrenn", id);
  return {
    version: 1,
    create: async (id, limits) => {
      const settings: readonly (readonly [string, string, string])[] = [
        ["memory", "memory.limit_in_bytes", String(limits.memoryBytes)],
        ["pids", "pids.max", String(limits.processes)],
        ["cpu", "cpu.cfs_quota_us", String(Math.round(limits.cpu * PERIOD_US))],
      ];
      const make = async (controller: string, file: string, value: string): Promise<string> => {
        await makeGroup(join(ROOT, controller, "wrenn"));
        await makeGroup(group(controller, id));
        await writeFile(join(group(controller, id), file), value);
        // A thread that attaches itself to `tasks` does not wait for a lock of the whole kernel, as `cgroup.procs` does: 0.06 ms, not 5 to 11.
        return join(group(controller, id), "tasks");
      };
      const joined = await Promise.all(settings.map((setting) => make(...setting)));
      // Of memory and swap together, so that no swap is left. The kernel refuses it before the limit for memory.
      await writeIfPresent(
        join(group("memory", id), "memory.memsw.limit_in_bytes"),
        String(limits.memoryBytes),
      );
      if (limits.background) await setShare(join(group("cpu", id), "cpu.shares"), SHARES[1].background);
      return joined;
    },
    promote: (id) => setShare(join(group("cpu", id), "cpu.shares"), SHARES[1].used),
    end: (id) => endProcesses(group("memory", id)),
    remove: async (id) => {
      await Promise.all(CONTROLLERS.map((controller) => removeGroup(group(controller, id))));
    },
  };
}

const setShare = (path: string, share: number): Promise<void> => writeFile(path, String(share));

/** A kernel that counts no swap, or was built without it, has no such file. */
async function writeIfPresent(path: string, value: string): Promise<void> {
  try {
    // Without the flag to create: these file systems would refuse that with another error.
    await writeFile(path, value, { flag: "r+" });
  } catch (error) {
    if (!hasCode(error, "ENOENT")) throw error;
  }
}

// Node's recursive mkdir never ends where a file system refuses directories with ENOENT, as sysfs does.
async function makeGroup(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (!hasCode(error, "EEXIST")) throw error;
  }
}

async function endProcesses(path: string): Promise<void> {
  const pids = (await readFileIfPresent(join(path, "cgroup.procs"))) ?? "";
  for (const line of pids.split("\n").filter((text) => text !== "")) {
    try {
      process.kill(Number(line), "SIGKILL");
    } catch (error) {
      if (!hasCode(error, "ESRCH")) throw error;
    }
  }
}

/** The kernel refuses while a process of the group is still being taken apart, which takes milliseconds. */
async function removeGroup(path: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rmdir(path);
      return;
    } catch (error) {
      if (hasCode(error, "ENOENT")) return;
      if (!hasCode(error, "EBUSY") || attempt === REMOVE_ATTEMPTS) throw error;
      const step = attempt <= EARLY_ATTEMPTS ? EARLY_STEP_MS : REMOVE_STEP_MS;
      await new Promise((resolve) => setTimeout(resolve, step));
    }
  }
}

/** Ids of every group that exists, whoever made it. */
export async function listGroups(cgroups: Cgroups): Promise<readonly string[]> {
  const directory = cgroups.version === 2 ? join(ROOT, "wrenn") : join(ROOT, "memory/wrenn");
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
