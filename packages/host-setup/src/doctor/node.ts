import { fail, ok } from "./check.ts";
import type { Check } from "./check.ts";

const OLDEST_MAJOR = 26;

/** The Node that runs this. */
export const nodeCheck: Check = {
  id: "node",
  title: "Node.js",
  why: "the project runs its TypeScript directly, on the Node it brings along",
  inspect: async (probe) => {
    if (Number(probe.nodeVersion.split(".")[0]) >= OLDEST_MAJOR) return ok(probe.nodeVersion);
    return fail(
      probe.nodeVersion,
      "Start it through ./wrenn, which installs and uses the project's own Node.",
    );
  },
};
