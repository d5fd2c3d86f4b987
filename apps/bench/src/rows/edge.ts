import type { Socket } from "node:net";
import { startEdgeLab } from "../edge/lab.ts";
import type { EdgeLab } from "../edge/lab.ts";
import type { Row } from "../row.ts";

const HALF_OPEN = 10_000;
const WEB_SOCKETS = 1000;
/** Opened and closed one after the other before: code is compiled, and no room is left over from many at once. */
const WARM_UP = 200;
const AT_ONCE = 100;
const REQUESTS = 20;
const SETTLE_MS = 1000;

/** An edge of its own for each sample: one that had many connections keeps room for them. */
function edgeRow(
  facts: Omit<Row, "prepare">,
  sample: (lab: EdgeLab) => Promise<number | readonly number[]>,
): Row {
  return {
    ...facts,
    prepare: async () => ({
      sample: async () => {
        const lab = await startEdgeLab();
        try {
          for (let n = 0; n < WARM_UP; n++) (await lab.upgraded()).destroy();
          await settle();
          return await sample(lab);
        } finally {
          await lab.close();
        }
      },
      dispose: async () => {},
    }),
  };
}

/** What clients that never finish their requests cost: more may not be open for the ten seconds that each has. */
export const halfOpenMemory: Row = edgeRow(
  { name: "edge: 10,000 half-open connections", unit: "MiB", asked: { p99: 250, better: "lower" } },
  async (lab) => {
    const before = await lab.memory();
    const sockets = await openMany(lab.halfOpen, HALF_OPEN);
    const grown = (await lab.memory()) - before;
    await closeAll(sockets);
    return grown / 1024;
  },
);

export const requestBesideHalfOpen: Row = edgeRow(
  { name: "edge: small GET beside 10,000 half-open", unit: "ms", asked: { p50: 10, better: "lower" } },
  async (lab) => {
    const sockets = await openMany(lab.halfOpen, HALF_OPEN);
    const times: number[] = [];
    for (let n = 0; n < REQUESTS; n++) times.push(await lab.request());
    const open = sockets.filter(({ readyState }) => readyState === "open").length;
    await closeAll(sockets);
    if (open < HALF_OPEN) throw new Error(`only ${open} of ${HALF_OPEN} half-open connections were open`);
    return times;
  },
);

export const webSocketMemory: Row = edgeRow(
  { name: "edge: memory of one of 1,000 WebSockets", unit: "KiB", asked: { p50: 20, better: "lower" } },
  async (lab) => {
    const before = await lab.memory();
    const sockets = await openMany(lab.upgraded, WEB_SOCKETS);
    await settle();
    const grown = (await lab.memory()) - before;
    await closeAll(sockets);
    return grown / WEB_SOCKETS;
  },
);

async function openMany(open: () => Promise<Socket>, count: number): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count) {
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - sockets.length) }, open))),
    );
  }
  return sockets;
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await settle();
}

const settle = async (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
