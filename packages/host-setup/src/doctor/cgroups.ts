import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

const NEEDED = ["cpu", "memory", "pids"];

/** The hierarchy of control groups and the controllers in it. */
export const cgroupsCheck: Check = {
  id: "cgroups",
  title: "Control groups",
  why: "they bound memory, processors and processes of every machine",
  inspect: async (probe) => {
    const unified = await probe.readText("/sys/fs/cgroup/cgroup.controllers");
    const mounts = (await probe.readText("/proc/self/mounts")) ?? "";
    const version = unified === undefined ? "v1" : "v2";
    const available = unified === undefined ? legacyControllers(mounts) : unified.trim().split(/\s+/);
    const absent = NEEDED.filter((name) => !available.includes(name));
    if (absent.length === 0) return ok(`${version} with ${NEEDED.join(", ")}`);
    return fail(
      `${version} without ${absent.join(", ")}`,
      `Mount cgroup2 on /sys/fs/cgroup (systemd.unified_cgroup_hierarchy=1) with the controllers ${NEEDED.join(", ")}.`,
    );
  },
};

/** Controllers mounted below /sys/fs/cgroup, one hierarchy each or several together (cgroups(7)). */
function legacyControllers(mounts: string): readonly string[] {
  return mounts.split("\n").flatMap((line) => {
    const [, path, type, options] = line.split(" ");
    return type === "cgroup" && path?.startsWith("/sys/fs/cgroup/") ? (options?.split(",") ?? []) : [];
  });
}
