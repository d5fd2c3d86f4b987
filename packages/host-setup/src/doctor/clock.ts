import { WrennError } from "@wrenn/core";
import { fail, ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** No release of the platform is older; a clock before it was never set. */
const EARLIEST_YEAR = 2026;
const LATEST_YEAR = 2100;

/** The host's clock, and whether something keeps it right. */
export const clockCheck: Check = {
  id: "clock",
  title: "Clock",
  why: "capsules get their time from the host; certificates, leases and time-outs depend on it",
  inspect: async (probe, signal) => {
    const time = new Date(probe.now());
    const year = time.getUTCFullYear();
    const found = `${time.toISOString().slice(0, 16)}Z`;
    if (year < EARLIEST_YEAR || year > LATEST_YEAR)
      return fail(found, "Set the clock: date -s, or start an NTP service.");
    try {
      const argv = ["timedatectl", "show", "--property", "NTPSynchronized", "--value"] as const;
      const { code, stdout } = await probe.run(argv, signal);
      if (code === 0 && stdout.trim() === "yes") return ok(`${found}, synchronised`);
      if (code === 0 && stdout.trim() === "no") {
        return warn(`${found}, not synchronised`, "Start an NTP service: timedatectl set-ntp true");
      }
    } catch (error) {
      if (!WrennError.is(error, "dependency_missing")) throw error;
    }
    return ok(`${found}; whether it is synchronised is unknown here`);
  },
};
