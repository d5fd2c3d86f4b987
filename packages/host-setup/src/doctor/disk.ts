import { fail, GIB, inGib, ok } from "./check.ts";
import type { Check } from "./check.ts";

const NEEDED = 5 * GIB;

/** Free space where templates, disks and snapshots go. */
export function diskCheck(dataDirectory: string): Check {
  return {
    id: "disk",
    title: "Disk space",
    why: "template disks, memory images and paused capsules are kept in the data directory",
    inspect: async (probe) => {
      const free = await probe.freeBytes(dataDirectory);
      const found = `${inGib(free)} free at ${dataDirectory}`;
      if (free >= NEEDED) return ok(found);
      return fail(
        found,
        `Free up to ${inGib(NEEDED)}, or set WRENN_DATA_DIR to a directory on a larger disk.`,
      );
    },
  };
}
