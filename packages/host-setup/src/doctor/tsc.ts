import { readTscKhz } from "@wrenn/vmm";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** The frequency of the time stamp counter. `read` is replaced in tests. */
export function tscCheck(read: typeof readTscKhz = readTscKhz): Check {
  return {
    id: "tsc",
    title: "Time stamp counter",
    why: "an emulated guest reads the host's counter and has to be told its frequency, or its clock drifts",
    inspect: async (_probe, signal) => {
      const kilohertz = await read(signal);
      if (kilohertz !== undefined) return ok(`${(kilohertz / 1000).toFixed(0)} MHz`);
      return warn(
        "frequency unknown",
        "Let dmesg be read (sysctl kernel.dmesg_restrict=0) or run as root; guests calibrate it themselves until then.",
      );
    },
  };
}
