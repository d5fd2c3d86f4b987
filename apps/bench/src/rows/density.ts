import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { listMachines } from "@wrenn/vmm";
import { memoryOfTree } from "../peers/processes.ts";
import { startOwnServer } from "../own-server.ts";
import type { OwnServer } from "../own-server.ts";
import { timed } from "../row.ts";
import type { Row } from "../row.ts";

const IDLE = 10;
const PAUSED = 100;
/** Two cores start two machines at a time. */
const WIDTH = 2;
/** Until what a start leaves to do in a guest is done. */
const SETTLE_MS = 5000;
/** A tick of 10 ms is 0.07 % of it. */
const WATCHED_MS = 15_000;

/**
 * A row on idle capsules. They exist only while they are measured, since each of them takes time from the other rows.
 *
 * @param measure - is given the supervisors of the machines, and gives one number for each.
 */
function idleRow(
  facts: Omit<Row, "prepare" | "maxRounds">,
  measure: (supervisors: readonly number[], signal: AbortSignal) => Promise<readonly number[]>,
): Row {
  return {
    ...facts,
    maxRounds: 2,
    prepare: async ({ signal }) => {
      const own = await startOwnServer({}, signal);
      return {
        sample: async () => {
          const capsules: string[] = [];
          for (let n = 0; n < IDLE; n++)
            capsules.push((await own.api<{ id: string }>("POST", "/v1/capsules", { memory_mb: 256 })).id);
          await setTimeout(SETTLE_MS, undefined, { signal });
          const values = await measure(await machinesOf(own), signal);
          for (const id of capsules) await own.api("DELETE", `/v1/capsules/${id}`);
          return values;
        },
        dispose: own.close,
      };
    },
  };
}

/** Memory that an idle capsule costs: its share of pages that it has in common with others, and all of its own. */
export const idleMemory: Row = idleRow(
  { name: `idle clone, of ${IDLE}: PSS`, unit: "MiB", asked: { p50: 20, better: "lower" } },
  async (supervisors) => await Promise.all(supervisors.map(memoryOfTree)),
);

/** The share of a core that each idle capsule takes. */
export const idleProcessor: Row = idleRow(
  { name: `idle clone, of ${IDLE}: processor`, unit: "%", asked: { p50: 0.3, better: "lower" } },
  async (supervisors, signal) => {
    const used = async (): Promise<readonly number[]> => await Promise.all(supervisors.map(processorMsOf));
    const before = await used();
    const elapsed = await timed(async () => await setTimeout(WATCHED_MS, undefined, { signal }));
    const after = await used();
    return after.map((ms, index) => (100 * (ms - (before[index] ?? 0))) / elapsed);
  },
);

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

/** The machine's process is the supervisor's only child. */
async function machineOf(supervisor: number): Promise<string> {
  return (await readFile(`/proc/${supervisor}/task/${supervisor}/children`, "utf8")).trim();
}

/** Milliseconds of processor time of the machine so far. */
async function processorMsOf(supervisor: number): Promise<number> {
  const stat = await readFile(`/proc/${await machineOf(supervisor)}/stat`, "utf8");
  // Fields of proc_pid_stat(5) after the name: user and system time are 14 and 15, in ticks of 10 ms.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
