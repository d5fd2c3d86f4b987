import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { Machines } from "../../machines/machines.ts";
import type { Capsule } from "../capsule.ts";
import type { CapsuleRegistry } from "../capsule-registry.ts";

const TICK_MS = 1000;
const ANSWER_MS = 2000;
/** The wall clock and the monotonic one are read one after the other: a busy host may take some milliseconds between the two. */
const JUMP_MS = 20;

export interface ClockKeeperDeps {
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly logger: Logger;
  readonly machines: Pick<Machines, "clocks">;
}

/**
 * Keeps the clocks of running guests at the host's. A suspend of the host and a step of its clock show as a jump of the wall
 * clock against the monotonic one; then every guest is looked at, otherwise each once a minute.
 */
export class ClockKeeper {
  readonly #registry: CapsuleRegistry;
  readonly #deps: ClockKeeperDeps;
  readonly #checking = new Set<Capsule>();
  readonly #timer: NodeJS.Timeout;
  #difference: number;

  constructor(registry: CapsuleRegistry, deps: ClockKeeperDeps) {
    this.#registry = registry;
    this.#deps = deps;
    this.#difference = this.#wallAheadOfMonotonic();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
    this.#timer.unref();
  }

  /** Looks for a jump of the host's clock, and at the clocks of the guests that are due. */
  tick(): void {
    const { clocks } = this.#deps.machines;
    const before = this.#difference;
    this.#difference = this.#wallAheadOfMonotonic();
    const jumpMs = this.#difference - before;
    const jumped = Math.abs(jumpMs) > JUMP_MS;
    if (jumped) this.#deps.logger.info("host.clock_jumped", { byMs: Math.round(jumpMs) });
    for (const capsule of this.#registry.capsules.values()) {
      const { running, state } = capsule;
      if (!running) continue;
      if (jumped) clocks.doubt(running.machine);
      if (state !== "running" || this.#checking.has(capsule) || !clocks.isDue(running.machine)) continue;
      this.#registry.inBackground(capsule.id, "clock_check", () => this.#check(capsule));
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Not in the capsule's queue, where it would wait for long operations: what is sent is the host's time at that moment, and
   * an operation that stops the machine sets the clock afterwards.
   */
  async #check(capsule: Capsule): Promise<void> {
    const { running } = capsule;
    if (!running) return;
    this.#checking.add(capsule);
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      await capsule.unnoticed(() => this.#deps.machines.clocks.check(running.machine, running.guest, signal));
    } catch (error) {
      // Tried again at the next tick.
      this.#deps.logger.debug("guest.clock_unchecked", { capsule: capsule.id, problem: problemOf(error) });
    } finally {
      this.#checking.delete(capsule);
    }
  }

  #wallAheadOfMonotonic(): number {
    const { clock } = this.#deps;
    return clock.now() - clock.monotonic();
  }
}
