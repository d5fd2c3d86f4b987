import { connect } from "node:net";
import type { Socket } from "node:net";
import type { Clock } from "@wrenn/core";

export interface DialPlace {
  readonly address: string;
  readonly port: number;
  /** Whether each direction ends on its own: an upgraded service may go on after its client has finished. */
  readonly halfOpen: boolean;
}

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
  place: DialPlace,
  limits: DialLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<Socket> {
  const startedAt = clock.monotonic();
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    try {
      return await connectOnce(place, limits.connectMs, signal);
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

async function connectOnce(place: DialPlace, ms: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    host: place.address,
    port: place.port,
    noDelay: true,
    allowHalfOpen: place.halfOpen,
  });
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error(`no connection within ${ms} ms`), { code: "ETIMEDOUT" }));
  }, ms);
  const onAbort = (): void => void socket.destroy(asError(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", () => resolve(socket));
  socket.once("error", reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.removeListener("error", reject);
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
