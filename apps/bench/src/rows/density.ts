import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { listMachines } from "@wrenn/vmm";
import { startOwnServer } from "../own-server.ts";
import type { OwnServer } from "../own-server.ts";
import type { Row } from "../row.ts";

const IDLE = 10;
const PAUSED = 100;
/** Two cores start two machines at a time. */
const WIDTH = 2;
/** Until what a start leaves to do in a guest is done. */
const SETTLE_MS = 5000;

/** Memory that an idle capsule costs: its share of pages that it has in common with others, and all of its own. */
export const idleMemory: Row = {
  name: `idle clone, of ${IDLE}: PSS`,
  unit: "MiB",
  asked: { p50: 30, better: "lower" },
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const own = await startOwnServer({}, signal);
    undo.defer(own.close);
    for (let n = 0; n < IDLE; n++) await own.api("POST", "/v1/capsules", { memory_mb: 256 });
    await setTimeout(SETTLE_MS, undefined, { signal });
    const owned = undo.move();
    return {
      sample: async () => await Promise.all((await machinesOf(own)).map(pssOf)),
      dispose: () => owned.disposeAsync(),
    };
  },
};

export const pausedProcesses: Row = {
  name: `${PAUSED} paused capsules: machines`,
  unit: "count",
  asked: { p50: 0, better: "lower" },
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const own = await startOwnServer({}, signal);
    undo.defer(own.close);
    const one = async (): Promise<void> => {
      const { id } = await own.api<{ id: string }>("POST", "/v1/capsules", { memory_mb: 256 });
      await own.api("POST", `/v1/capsules/${id}/pause`);
    };
    for (let n = 0; n < PAUSED; n += WIDTH) await Promise.all(Array.from({ length: WIDTH }, one));
    const owned = undo.move();
    return { sample: async () => (await machinesOf(own)).length, dispose: () => owned.disposeAsync() };
  },
};

/** Pids of the supervisors of a server's machines. */
async function machinesOf({ capsulesDirectory }: OwnServer): Promise<readonly number[]> {
  return (await listMachines())
    .filter(({ directory }) => directory.startsWith(`${capsulesDirectory}/`))
    .map(({ supervisor }) => supervisor.pid);
}

/** Of the machine's process, the supervisor's only child; MiB. */
async function pssOf(supervisor: number): Promise<number> {
  const child = (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, "utf8")).trim();
  const rollup = await readFile(`/proc/${child}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]) / 1024;
}
