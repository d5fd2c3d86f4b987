import { WrennError } from "@wrenn/core";
import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

const NAME = "8000-cl-check.localhost";
const LOOPBACK = /^(?:127\.|::1\s)/m;

/** Whether programs of this machine find the names of capsules' ports below `localhost`. Browsers and curl know them by themselves. */
export const localhostNamesCheck: Check = {
  id: "localhost-names",
  title: "Names of ports",
  why: "ports of capsules have names below localhost, which programs other than browsers and curl look up",
  inspect: async (probe, signal) => {
    try {
      const { code, stdout } = await probe.run(["getent", "ahosts", NAME], signal);
      if (code === 0 && LOOPBACK.test(stdout)) return ok("names below localhost lead to this machine");
      return warn(
        "names below localhost are not found; browsers and curl are not affected",
        "Install libnss-myhostname, or use WRENN_DOMAIN with a DNS entry: see docs/guides/ports.md.",
      );
    } catch (error) {
      if (!WrennError.is(error, "dependency_missing")) throw error;
      return ok("whether names below localhost are found is unknown here");
    }
  },
};
