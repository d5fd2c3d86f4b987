import { mkdtemp, rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createSlotPool } from "@wrenn/network";
import type { SlotPool } from "@wrenn/network";
import { timed } from "../row.ts";
import type { BenchContext, RunningRow, Row } from "../row.ts";

/** Above the users of the server that is measured. */
const UID_BASE = 400_000;
/** Longer than a pool of one takes to be full again. */
const REFILL_MS = 800;

interface Pool {
  readonly slots: SlotPool;
  readonly close: () => Promise<void>;
}

async function openPool(size: number, signal: AbortSignal): Promise<Pool> {
  const stateDirectory = await mkdtemp("/tmp/wrenn-bench-");
  const slots = await createSlotPool(
    { stateDirectory, logger: silentLogger, random: systemRandom, size, uidBase: UID_BASE },
    signal,
  );
  return {
    slots,
    close: async () => {
      await slots.close();
      await rm(stateDirectory, { recursive: true });
    },
  };
}

/** A row on a pool of its own that keeps so many slots ready. */
function onPool(size: number): (context: BenchContext) => Promise<RunningRow> {
  return async ({ signal }) => {
    const { slots, close } = await openPool(size, signal);
    return {
      sample: async () => {
        if (size > 0) await setTimeout(REFILL_MS, undefined, { signal });
        const started = performance.now();
        const slot = await slots.acquire(signal);
        const elapsed = performance.now() - started;
        await slots.release(slot);
        return elapsed;
      },
      dispose: close,
    };
  };
}

export const slotFromPool: Row = {
  name: "network slot from the pool",
  unit: "ms",
  asked: { p50: 2, better: "lower" },
  prepare: onPool(1),
};

export const slotMade: Row = {
  name: "network slot made anew",
  unit: "ms",
  asked: { p50: 60, better: "lower" },
  prepare: onPool(0),
};

/** The policy of a running slot from one to another, with a name in each. */
export const policyChange: Row = {
  name: "network policy changed on a running slot",
  unit: "ms",
  prepare: async ({ signal }) => {
    const { slots, close } = await openPool(0, signal);
    const slot = await slots.acquire(signal);
    let turn = 0;
    return {
      sample: () =>
        timed(async () => {
          turn += 1;
          const allow = [`name-${turn}.example`, "203.0.113.0/24"];
          await slots.applyPolicy(slot, { egress: "deny", allow, deny: [] }, signal);
        }),
      dispose: async () => {
        await slots.release(slot);
        await close();
      },
    };
  },
};
