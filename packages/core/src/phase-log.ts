import type { Clock } from "./clock.ts";

/** The phases of an operation, in the order in which they usually come (docs/reference/server-timing.md). */
export const phases = [
  "placement",
  "copy",
  "capsule",
  "template",
  "queue",
  "network",
  "disk",
  "machine",
  "memory",
  "guest",
  "first_byte",
  "run",
] as const;
export type Phase = (typeof phases)[number];

/** What phases took, in milliseconds; one that did not occur is missing. */
export type PhaseTimes = { readonly [phase in Phase]?: number };

/** Where the time of one operation goes. A phase that occurs again adds to what it took before. */
export class PhaseLog {
  readonly #clock: Clock;
  readonly #times = new Map<Phase, number>();
  #current: { readonly phase: Phase; readonly since: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A phase begins, and the one that was under way ends. */
  begin(phase: Phase): void {
    this.end();
    this.#current = { phase, since: this.#clock.monotonic() };
  }

  /** The phase that is under way ends. */
  end(): void {
    if (!this.#current) return;
    const { phase, since } = this.#current;
    this.#current = undefined;
    this.#add(phase, this.#clock.monotonic() - since);
  }

  add(times: PhaseTimes): void {
    for (const phase of phases) {
      const ms = times[phase];
      if (ms !== undefined) this.#add(phase, ms);
    }
  }

  /** Does work as one phase; what the work itself adds to the log is not counted twice. */
  async measure<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const before = this.total;
    const since = this.#clock.monotonic();
    try {
      return await work();
    } finally {
      const inner = this.total - before;
      this.#add(phase, Math.max(0, this.#clock.monotonic() - since - inner));
    }
  }

  /**
   * Does work that another machine measures: its phases are added, unless they take longer than the work, which cannot be.
   *
   * @param timesOf - the phases that the result comes with.
   */
  async measureRemote<T>(work: () => Promise<T>, timesOf: (result: T) => PhaseTimes | undefined): Promise<T> {
    const since = this.#clock.monotonic();
    const result = await work();
    const times = timesOf(result);
    if (times && totalOf(times) <= this.#clock.monotonic() - since) this.add(times);
    return result;
  }

  /** Of all phases together, milliseconds. */
  get total(): number {
    return totalOf(this.times());
  }

  /** The phases that have ended. */
  times(): PhaseTimes {
    return Object.fromEntries(this.#times);
  }

  #add(phase: Phase, ms: number): void {
    this.#times.set(phase, (this.#times.get(phase) ?? 0) + ms);
  }
}

/** Milliseconds of all phases together. */
export function totalOf(times: PhaseTimes): number {
  let total = 0;
  for (const phase of phases) total += times[phase] ?? 0;
  return total;
}
