import type { Duplex } from "node:stream";
import type { Clock } from "@wrenn/core";

/** One attempt to connect to a service. @throws an error with the operating system's `code`. */
export type Connect = (ms: number, signal: AbortSignal) => Promise<Duplex>;

export interface DialLimits {
  /** Time for one attempt, in ms. */
  readonly connectMs: number;
  /** For how long a refused connection is tried again, in ms: a service may be about to listen. */
  readonly waitForPortMs: number;
}

/** Refusals that a service which is just starting causes. */
const STARTING = new Set(["ECONNREFUSED"]);
const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 250;

/**
 * Connects to a service in a capsule, trying again while nothing listens yet. No byte of a request is sent before it
 * succeeds, so trying again repeats nothing.
 *
 * @throws the operating system's error, with its `code`; `ETIMEDOUT` when an attempt takes longer than the limit.
 */
export async function dial(
  connect: Connect,
  limits: DialLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<Duplex> {
  const startedAt = clock.monotonic();
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    try {
      return await connect(limits.connectMs, signal);
    } catch (error) {
      const left = limits.waitForPortMs - (clock.monotonic() - startedAt);
      if (!STARTING.has(codeOf(error)) || left <= 0) throw error;
      await clock.sleep(Math.min(wait, left), signal);
    }
  }
}

/** The operating system's or the HTTP parser's code of an error; empty when it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
