import { ok, warn } from "./check.ts";
import type { Check } from "./check.ts";

/** Whether this user may make user namespaces. */
export const userNamespacesCheck: Check = {
  id: "user-namespaces",
  title: "User namespaces",
  why: "without root, the file systems of templates are built inside one",
  inspect: async (probe, signal) => {
    const result = await probe.run(["unshare", "--user", "--map-root-user", "true"], signal);
    if (result.code === 0) return ok("can be made");
    const problem = result.stderr.trim().split("\n").at(-1) ?? "";
    return warn(
      problem === "" ? "cannot be made" : problem,
      "Allow them (sysctl user.max_user_namespaces=10000, kernel.unprivileged_userns_clone=1 where it exists), or run as root.",
    );
  },
};
