import { setTimeout } from "node:timers/promises";
import { startControlPlaneLab } from "../control-plane/lab.ts";
import type { ControlPlaneLab } from "../control-plane/lab.ts";
import type { Row } from "../row.ts";

const CONNECTIONS = 32;
const READS = 2000;
const CREATES = 200;
const LISTED = 1000;
const STREAMS = 100;
/** A heartbeat of every stream, and a look for lost notifications. */
const QUIET_MS = 15_000;

/** A control plane of its own for a row; `sample` measures it. */
function labRow(
  facts: Omit<Row, "prepare">,
  begin: (lab: ControlPlaneLab) => Promise<() => Promise<number | readonly number[]>>,
): Row {
  return {
    ...facts,
    prepare: async () => {
      const lab = await startControlPlaneLab(process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn");
      try {
        return { sample: await begin(lab), dispose: () => lab.close() };
      } catch (error) {
        await lab.close();
        throw error;
      }
    },
  };
}

async function oneCapsule(lab: ControlPlaneLab): Promise<string> {
  const { id } = await lab.json<{ id: string }>("POST", "/v1/capsules");
  return `/v1/capsules/${id}`;
}

/** The control plane has one core; database and clients have the others. */
export const readThroughput: Row = labRow(
  { name: "control plane: GET capsule", unit: "/s", asked: { p50: 6000, better: "higher" } },
  async (lab) => {
    const path = await oneCapsule(lab);
    return async () => (await lab.ask("GET", path, CONNECTIONS, READS)).perSecond;
  },
);

export const readLatency: Row = labRow(
  { name: "control plane: GET capsule, 32 clients", unit: "ms", asked: { p99: 25, better: "lower" } },
  async (lab) => {
    const path = await oneCapsule(lab);
    return async () => (await lab.ask("GET", path, CONNECTIONS, READS)).latencies;
  },
);

export const listThousand: Row = labRow(
  { name: "control plane: list 1000 capsules", unit: "ms", asked: { p50: 15, better: "lower" } },
  async (lab) => {
    await lab.ask("POST", "/v1/capsules", CONNECTIONS, LISTED);
    return async () => (await lab.ask("GET", "/v1/capsules", 1, 5)).latencies;
  },
);

export const listByMetadata: Row = labRow(
  {
    name: "control plane: list by metadata, 10,000 capsules",
    unit: "ms",
    asked: { p50: 20, better: "lower" },
  },
  async (lab) => {
    await lab.fill();
    return async () => (await lab.ask("GET", "/v1/capsules?metadata=group%3D7", 1, 5)).latencies;
  },
);

/** The host is one that does everything at once; capsules accumulate, as on a large installation. */
export const createThroughput: Row = labRow(
  { name: "control plane: creates", unit: "/s", asked: { p50: 700, better: "higher" } },
  async (lab) => async () => (await lab.ask("POST", "/v1/capsules", CONNECTIONS, CREATES)).perSecond,
);

/** After so many reads and creates each round; the last rounds are the largest. */
export const memoryUnderLoad: Row = labRow(
  { name: "control plane: memory after load", unit: "MiB", asked: { p99: 250, better: "lower" } },
  async (lab) => {
    const path = await oneCapsule(lab);
    return async () => {
      await lab.ask("GET", path, CONNECTIONS, READS);
      await lab.ask("POST", "/v1/capsules", CONNECTIONS, CREATES / 4);
      return await lab.memoryMiB();
    };
  },
);

/** Processor time of a second in which nothing happens: with the streams, less what it is without them. */
export const idleStreams: Row = labRow(
  {
    name: "control plane: 100 idle event streams, CPU of a second",
    unit: "ms",
    asked: { p50: 10, better: "lower" },
  },
  async (lab) => async () => {
    const without = await cpuOfSecond(lab);
    const end = await lab.openStreams(STREAMS);
    try {
      return Math.max(0, (await cpuOfSecond(lab)) - without);
    } finally {
      end();
    }
  },
);

async function cpuOfSecond(lab: ControlPlaneLab): Promise<number> {
  const before = await lab.cpuMs();
  await setTimeout(QUIET_MS);
  return ((await lab.cpuMs()) - before) / (QUIET_MS / 1000);
}
