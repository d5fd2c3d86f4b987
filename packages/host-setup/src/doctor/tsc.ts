import { WrennError } from "@wrenn/core";
import { measureTscKhz } from "@wrenn/vmm";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/**
 * The frequency of the time stamp counter.
 *
 * @param program - the built native/kvm-probe.
 * @param measure - replaced in tests.
 */
export function tscCheck(program: string, measure: typeof measureTscKhz = measureTscKhz): Check {
  return {
    id: "tsc",
    title: "Time stamp counter",
    why: "an emulated guest reads the host's counter and has to be told its frequency, or its clock drifts",
    inspect: async (_probe, signal) => {
      try {
        return ok(`${((await measure(program, signal)) / 1000).toFixed(0)} MHz`);
      } catch (error) {
        // Without a compiler there is no program to measure with; the check of the packages covers that.
        if (error instanceof WrennError) return warn(`frequency unknown: ${error.message}`, error.remedy);
        throw error;
      }
    },
  };
}
