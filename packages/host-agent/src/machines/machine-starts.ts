import { ConcurrencyLimit } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

/** Starts at a time for each processor: they also wait for the kernel and for the disk. */
const PER_CORE = 2;
/** After this long a guest that has not answered yet makes way for other starts: it may be broken on purpose. */
const HOLD_MS = 5000;

/**
 * Bounds how many machines start at a time. With more of them each takes longer, until their control sockets and guests no longer
 * answer within their time-outs and all fail.
 */
export class MachineStarts {
  readonly #clock: Pick<Clock, "sleep">;
  readonly #limit: ConcurrencyLimit;

  constructor(cpuCores: number, clock: Pick<Clock, "sleep">) {
    this.#clock = clock;
    this.#limit = new ConcurrencyLimit(PER_CORE * cpuCores);
  }

  /** Waits for a turn, which ends when the result is disposed of. An abort gives the wait up. */
  async begin(signal: AbortSignal): Promise<MachineStart> {
    const leave = await this.#limit.enter(signal);
    const ended = new AbortController();
    return {
      restored: () => void this.#clock.sleep(HOLD_MS, ended.signal).then(leave, leave),
      [Symbol.dispose]: () => {
        ended.abort();
        leave();
      },
    };
  }
}

/** The turn of one machine. */
export interface MachineStart extends Disposable {
  /** The machine runs, and its guest has a while to answer. */
  restored(): void;
}
