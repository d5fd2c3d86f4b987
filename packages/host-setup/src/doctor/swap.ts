import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** Whether the host swaps. */
export const swapCheck: Check = {
  id: "swap",
  title: "Swap",
  why: "guest memory could be written to disk in the clear, and a page that was swapped out escapes dirty-page tracking, so pausing refuses",
  inspect: async (probe) => {
    const [, ...lines] = ((await probe.readText("/proc/swaps")) ?? "").trim().split("\n");
    const devices = lines.map((line) => line.split(/\s+/)[0]).join(", ");
    if (devices === "") return ok("off");
    return warn(`on: ${devices}`, "Switch it off with swapoff -a, and keep it off in /etc/fstab.");
  },
};
