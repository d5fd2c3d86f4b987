import type { Capsule, MetricsPoint } from "@wrenn/sdk";
import { isWrennError, WrennError } from "@wrenn/sdk";
import type { Sample } from "../output/describe-stats.ts";

export interface LiveStatsOptions {
  /** The capsules that are measured. */
  readonly find: () => Promise<readonly Capsule[]>;
  /** They do not change: it ends with the last of them. */
  readonly isFixed: boolean;
  readonly signal: AbortSignal;
}

export interface LiveSample extends Sample {
  /** Measured since the samples before. */
  readonly isNew: boolean;
}

interface Measured {
  sample: Sample;
  isNew: boolean;
  readonly stop: AbortController;
}

/** Milliseconds of a point. */
const STEP_MS = 2000;
/** How often capsules that have started are looked for, in milliseconds. */
const FIND_MS = 5000;
/** Points of several capsules that arrive this close together are one change, in milliseconds. */
const GATHER_MS = 200;
/** Each is a connection of its own. */
export const MOST_MEASURED = 100;

/** The newest measurement of each capsule, again whenever one arrived. */
export class LiveStats implements AsyncIterable<readonly LiveSample[]> {
  readonly #options: LiveStatsOptions;
  readonly #measured = new Map<string, Measured>();
  #hasChanged = false;
  #onChange: () => void = () => undefined;
  #failure: unknown;

  constructor(options: LiveStatsOptions) {
    this.#options = options;
  }

  /** @throws what a stream or the list throws; the signal's reason. */
  async *[Symbol.asyncIterator](): AsyncGenerator<readonly LiveSample[], void, undefined> {
    const { signal, isFixed } = this.#options;
    const onAbort = (): void => this.#fail(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    await this.#find();
    const timer = isFixed ? undefined : setInterval(() => void this.#findAgain(), FIND_MS);
    try {
      for (;;) {
        if (!this.#hasChanged) await new Promise<void>((resolve) => (this.#onChange = resolve));
        await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
        this.#hasChanged = false;
        if (this.#failure !== undefined) throw this.#failure;
        yield this.#take();
        if (isFixed && this.#measured.size === 0) return;
      }
    } finally {
      clearInterval(timer);
      signal.removeEventListener("abort", onAbort);
      for (const { stop } of this.#measured.values()) stop.abort();
    }
  }

  #take(): readonly LiveSample[] {
    return [...this.#measured.values()].map((measured) => {
      const { sample, isNew } = measured;
      measured.isNew = false;
      return { ...sample, isNew };
    });
  }

  async #findAgain(): Promise<void> {
    try {
      await this.#find();
    } catch (error) {
      // The server is restarting; streams are resumed, and the list is read again later.
      if (!(error instanceof WrennError) || !error.isRetryable) this.#fail(error);
    }
  }

  async #find(): Promise<void> {
    const found = (await this.#options.find()).slice(0, MOST_MEASURED);
    const ids = new Set(found.map(({ id }) => id));
    for (const [id, { stop }] of this.#measured) if (!ids.has(id)) stop.abort();
    for (const capsule of found) if (!this.#measured.has(capsule.id)) void this.#measure(capsule);
    this.#change();
  }

  async #measure(capsule: Capsule): Promise<void> {
    const { id, name } = capsule;
    const measured: Measured = {
      sample: { id, name, point: undefined, ms: undefined },
      isNew: false,
      stop: new AbortController(),
    };
    this.#measured.set(id, measured);
    const { signal } = measured.stop;
    try {
      for await (const point of capsule.metricsStream({ stepMs: STEP_MS, signal }))
        this.#add(measured, point);
    } catch (error) {
      if (!signal.aborted && !isWrennError(error, "not_found")) this.#fail(error);
    } finally {
      this.#measured.delete(id);
      this.#change();
    }
  }

  #add(measured: Measured, point: MetricsPoint): void {
    const { sample } = measured;
    const ms = sample.point === undefined ? STEP_MS : point.at.getTime() - sample.point.at.getTime();
    measured.sample = { ...sample, point, ms };
    measured.isNew = true;
    this.#change();
  }

  #change(): void {
    this.#hasChanged = true;
    this.#onChange();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#change();
  }
}
