import type { Clock } from "@wrenn/core";

/** Events about ports of one capsule that may be sent at once. */
const BURST = 60;
/** After that, one in this time. */
const REFILL_MS = 5000;
/** Capsules whose budget is not full. */
const SIZE = 20_000;

interface Budget {
  left: number;
  at: number;
}

/**
 * How many events about ports a capsule may have: events of all teams are written one after the other, and a guest that opens and
 * closes ports all the time must not delay those of others.
 */
export class PortEventBudget {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #budgets = new Map<string, Budget>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** What a capsule may have now. */
  left(id: string): number {
    const budget = this.#budgets.get(id);
    if (!budget) return BURST;
    return Math.min(BURST, budget.left + Math.floor((this.#clock.monotonic() - budget.at) / REFILL_MS));
  }

  spend(id: string, count: number): void {
    if (count === 0) return;
    const left = this.left(id) - count;
    this.#budgets.delete(id);
    if (this.#budgets.size >= SIZE) this.#forgetOldest();
    this.#budgets.set(id, { left, at: this.#clock.monotonic() });
  }

  #forgetOldest(): void {
    const [oldest] = this.#budgets.keys();
    if (oldest !== undefined) this.#budgets.delete(oldest);
  }
}
