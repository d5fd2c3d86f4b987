import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

const OLDEST = [5, 10] as const;

/** Version of the running kernel. */
export const kernelCheck: Check = {
  id: "kernel",
  title: "Linux kernel",
  why: "cgroup, userfaultfd and nftables features of older kernels are not enough",
  inspect: async (probe) => {
    const release = (await probe.readText("/proc/sys/kernel/osrelease"))?.trim() ?? "";
    const match = /^(\d+)\.(\d+)/.exec(release);
    const remedy = `Boot a Linux kernel of version ${OLDEST.join(".")} or later.`;
    if (match === null) return fail(release === "" ? "no /proc/sys/kernel/osrelease" : release, remedy);
    const [major, minor] = [Number(match[1]), Number(match[2])];
    const recent = major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
    return recent ? ok(release) : fail(release, remedy);
  },
};
