import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** Whether page faults of a machine can be served by another process. */
export const userfaultfdCheck: Check = {
  id: "userfaultfd",
  title: "userfaultfd",
  why: "snapshots from elsewhere are resumed before all of their memory has arrived",
  inspect: async (probe) => {
    // userfaultfd(2): the device since Linux 6.1, before it the system call for CAP_SYS_PTRACE or by this setting.
    if ((await probe.tryOpen("/dev/userfaultfd")) === undefined) return ok("/dev/userfaultfd");
    const setting = await probe.readText("/proc/sys/vm/unprivileged_userfaultfd");
    if (setting?.trim() === "1") return ok("system call, for everybody");
    if (setting !== undefined && probe.uid === 0) return ok("system call, for root");
    return warn(
      setting === undefined ? "not in this kernel" : "not for this user",
      setting === undefined
        ? "Use a kernel with CONFIG_USERFAULTFD; until then only local snapshots can be resumed."
        : "Run as root, or sysctl vm.unprivileged_userfaultfd=1.",
    );
  },
};
