import type { Clock, Random } from "@wrenn/core";
import { TransferError } from "./transfer-error.ts";

/** How long and how often a registry is tried. Times are in milliseconds. */
export interface TransferLimits {
  /** Attempts without any progress. */
  readonly attempts: number;
  /** The pause before the second attempt; each later one is twice as long. */
  readonly backoffMs: number;
  /** A server that asks for a longer pause is not asked again. */
  readonly maxPauseMs: number;
  /** A connection without progress is given up after this time. */
  readonly idleMs: number;
  /** Parts that one download may have. */
  readonly resumes: number;
}

export const defaultTransferLimits: TransferLimits = {
  attempts: 5,
  backoffMs: 500,
  maxPauseMs: 60_000,
  idleMs: 30_000,
  resumes: 100,
};

/** Waits between the attempts of one piece of work. */
export class Retries {
  readonly #limits: TransferLimits;
  readonly #clock: Clock;
  readonly #random: Random;
  #failures = 0;

  constructor(limits: TransferLimits, { clock, random }: { readonly clock: Clock; readonly random: Random }) {
    this.#limits = limits;
    this.#clock = clock;
    this.#random = random;
  }

  /** The work got further, so that failures before count no longer. */
  progressed(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next attempt.
   *
   * @throws `error` where it cannot pass, or when there was the last attempt; the signal's reason.
   */
  async pause(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#failures += 1;
    if (!(error instanceof TransferError) || this.#failures >= this.#limits.attempts) throw error;
    const backoff = this.#limits.backoffMs * 2 ** (this.#failures - 1);
    const wanted = error.retryAfterMs ?? backoff;
    if (wanted > this.#limits.maxPauseMs) throw error;
    // Clients that failed together do not come back together.
    const spread = ((this.#random.bytes(1)[0] ?? 0) / 256) * backoff * 0.5;
    await this.#clock.sleep(wanted + spread, signal);
  }
}

/** Does `work` until it succeeds, fails for good, or has failed too often. */
export async function retrying<T>(retries: Retries, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      await retries.pause(error, signal);
    }
  }
}

/** The milliseconds of a `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date. */
export function retryAfterOf(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
