import { abortable } from "@wrenn/core";
import type { Clock } from "@wrenn/core";

/** After the end of a request its user often sends the next one: a create is followed by commands. */
const QUIET_MS = 300;
/** The rest of a server starts after its host agent, and its first users wait for that. */
const START_MS = 2000;
/** Between two looks at the processors of a host that is not idle. */
const MEASURE_MS = 500;
/** Processors that have to be idle, or this part of them when there are few. */
const IDLE_CORES = 1;
const IDLE_PART = 0.5;

export interface RequestActivityDeps {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  readonly cpuCores: number;
  /** Time that all processors together were idle since some moment; without it their load does not matter. */
  readonly cpuIdleMs?: () => number;
}

/** Whether requests are under way that work in the background would slow down. */
export class RequestActivity {
  readonly #deps: RequestActivityDeps;
  #running = 0;
  #quietAt: number;
  #changed = Promise.withResolvers<void>();

  constructor(deps: RequestActivityDeps) {
    this.#deps = deps;
    this.#quietAt = deps.clock.monotonic() + START_MS;
  }

  /** A request is under way until the result is disposed of. */
  begin(): Disposable {
    this.#running++;
    return {
      [Symbol.dispose]: () => {
        this.#running--;
        this.#quietAt = Math.max(this.#quietAt, this.#deps.clock.monotonic() + QUIET_MS);
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      },
    };
  }

  /** Resolves when no request has been under way for a moment, and at least one processor is idle. */
  async quiet(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.pause(signal);
      if (await this.#areProcessorsIdle(signal)) return;
    }
  }

  /** Resolves when no request has been under way for a moment. */
  async pause(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    for (;;) {
      signal.throwIfAborted();
      const left = this.#quietAt - clock.monotonic();
      if (this.#running > 0) await abortable(signal, this.#changed.promise);
      else if (left > 0) await clock.sleep(left, signal);
      else return;
    }
  }

  async #areProcessorsIdle(signal: AbortSignal): Promise<boolean> {
    const { clock, cpuIdleMs, cpuCores } = this.#deps;
    if (!cpuIdleMs) return true;
    const [idleBefore, before] = [cpuIdleMs(), clock.monotonic()];
    await clock.sleep(MEASURE_MS, signal);
    const idleCores = (cpuIdleMs() - idleBefore) / (clock.monotonic() - before);
    return this.#running === 0 && idleCores >= Math.min(IDLE_CORES, cpuCores * IDLE_PART);
  }
}
