import { WrennError } from "@wrenn/core";
import { missingPackages } from "../missing-packages.ts";
import { requirements } from "../requirements.ts";
import { fail, ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** The Debian packages that `up` installs. */
export const packagesCheck: Check = {
  id: "packages",
  title: "Debian packages",
  why: "they hold the programs that machines, disks and networks are made with",
  inspect: async (probe, signal) => {
    try {
      const missing = await missingPackages(requirements, (argv) => probe.run(argv, signal));
      if (missing.length === 0) return ok(`all ${requirements.length} installed`);
      const names = missing.map(({ name }) => name);
      return fail(
        `missing: ${missing.map(({ name, reason }) => `${name} (${reason})`).join(", ")}`,
        `Run ./wrenn up as root, or: apt-get update && apt-get install --no-install-recommends ${names.join(" ")}`,
      );
    } catch (error) {
      if (!WrennError.is(error, "dependency_missing")) throw error;
      return warn(
        "no dpkg-query: neither Debian nor Ubuntu",
        "Use Debian 12 or Ubuntu 22.04, or later ones.",
      );
    }
  },
};
