import { AsyncLocalStorage } from "node:async_hooks";
import type { PhaseLog } from "@wrenn/core";

const current = new AsyncLocalStorage<PhaseLog>();

/** Runs `work` with a log of phases: it is the current one in everything that `work` begins. */
export function runWithPhases<T>(phases: PhaseLog, work: () => T): T {
  return current.run(phases, work);
}

/** The log of the request or operation that the current work belongs to; undefined where none is kept. */
export function currentPhases(): PhaseLog | undefined {
  return current.getStore();
}

/** Does work as one phase of what is under way. */
export async function asPhase<T>(
  phase: Parameters<PhaseLog["begin"]>[0],
  work: () => Promise<T>,
): Promise<T> {
  const phases = currentPhases();
  return phases ? await phases.measure(phase, work) : await work();
}

/** The phases of what is under way until now, in tenths of milliseconds, for people. */
export function roundedPhases(): Readonly<Record<string, number>> {
  const times = Object.entries(currentPhases()?.times() ?? {});
  return Object.fromEntries(times.map(([phase, ms]) => [phase, Number(ms.toFixed(1))]));
}
