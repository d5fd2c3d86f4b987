import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

const DEVICE = "/dev/net/tun";

/** Whether TAP devices can be made, tried in a network namespace that ends with the command. */
export const tapCheck: Check = {
  id: "tap",
  title: "TAP devices",
  why: "each machine has one as its network card",
  inspect: async (probe, signal) => {
    const refused = await probe.tryOpen(DEVICE);
    if (refused === "ENOENT") {
      return fail(
        `${DEVICE} does not exist`,
        "Load the module: modprobe tun. In a container, pass the device in.",
      );
    }
    if (refused !== undefined) return fail(`${DEVICE}: ${refused}`, "Run as root.");
    const argv = ["unshare", "--net", "ip", "tuntap", "add", "dev", "wrenn0", "mode", "tap"] as const;
    const result = await probe.run(argv, signal);
    if (result.code === 0) return ok("can be made");
    const problem = result.stderr.trim().split("\n")[0] ?? `exit code ${result.code}`;
    return fail(problem, "Run as root with CAP_NET_ADMIN and CAP_SYS_ADMIN, and install iproute2.");
  },
};
