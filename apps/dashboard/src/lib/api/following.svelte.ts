import { isAbort, problemOf } from "./problem.ts";
import type { Problem } from "./problem.ts";
import type { TeamEvents } from "./team-events.svelte.ts";

/** How long to wait before the next attempt; then the longest again and again. */
const WAITS_MS = [500, 2000, 5000, 10_000];
/** An attempt that lasted longer has worked: the failure after it counts as the first. */
const STEADY_MS = 20_000;

/**
 * Something of a page that is read as it happens. Where its connection breaks, it is read again, at the latest when the events of the
 * team come again; the notice of the page says that there is no connection, so this one has no problem of its own then.
 */
export class Following {
  problem = $state.raw<Problem>();
  readonly #events: TeamEvents;
  readonly #read: (signal: AbortSignal) => Promise<void>;
  #reading: AbortController | undefined;

  /** @param read - begins from the start each time; ends with its signal, or when nothing more can come. */
  constructor(events: TeamEvents, read: (signal: AbortSignal) => Promise<void>) {
    this.#events = events;
    this.#read = read;
  }

  /** Begins, also once more by hand. @returns what ends it. */
  readonly begin = (): (() => void) => {
    this.#reading?.abort();
    const reading = (this.#reading = new AbortController());
    void this.#run(reading.signal);
    return () => reading.abort();
  };

  async #run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      const startedAt = performance.now();
      try {
        this.problem = undefined;
        await this.#read(signal);
        return;
      } catch (error) {
        if (signal.aborted || isAbort(error)) return;
        const problem = problemOf(error);
        if (this.#events.isLive || !problem.isPassing) this.problem = problem;
        if (!problem.isPassing) return;
        if (performance.now() - startedAt > STEADY_MS) failures = 0;
        await this.#events.untilLive(WAITS_MS[Math.min(failures, WAITS_MS.length - 1)] ?? 0, signal);
      }
    }
  }
}
