import { fail, GIB, inGib, ok } from "./check.ts";
import type { Check } from "./check.ts";

const NEEDED = GIB;

/** Memory that can be had without swapping. */
export const memoryCheck: Check = {
  id: "memory",
  title: "Memory",
  why: "the server and the first capsules fit in a GiB; each further one needs what it touches",
  inspect: async (probe) => {
    const text = (await probe.readText("/proc/meminfo")) ?? "";
    const match = /^MemAvailable:\s+(\d+) kB$/m.exec(text);
    const remedy = `End other programs or use a host with more memory; ${inGib(NEEDED)} must be available.`;
    if (match === null) return fail("/proc/meminfo does not say", remedy);
    const available = Number(match[1]) * 1024;
    const found = `${inGib(available)} available`;
    return available >= NEEDED ? ok(found) : fail(found, remedy);
  },
};
