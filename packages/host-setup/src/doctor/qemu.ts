import { WrennError } from "@wrenn/core";
import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

const REMEDY = "Install QEMU 7.0 or later: apt-get install --no-install-recommends qemu-system-x86";
const OLDEST_MAJOR = 7;

/** QEMU, and its machine type `microvm`. */
export const qemuCheck: Check = {
  id: "qemu",
  title: "QEMU",
  why: "it runs the capsules' virtual machines, on its machine type microvm",
  inspect: async (probe, signal) => {
    try {
      const { stdout } = await probe.run(["qemu-system-x86_64", "--version"], signal);
      const version = /version (\d+)(\.\d+)*/.exec(stdout);
      if (version === null) return fail("qemu-system-x86_64 does not say its version", REMEDY);
      if (Number(version[1]) < OLDEST_MAJOR) return fail(version[0], REMEDY);
      const machines = await probe.run(["qemu-system-x86_64", "-M", "help"], signal);
      if (!/^microvm\s/m.test(machines.stdout)) return fail(`${version[0]} without microvm`, REMEDY);
      return ok(`${version[0]} with microvm`);
    } catch (error) {
      if (WrennError.is(error, "dependency_missing")) return fail("not installed", REMEDY);
      throw error;
    }
  },
};
