import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

export interface EventuallyOptions {
  /** Default: 30 s. */
  readonly timeoutMs?: number;
  /** Time between two looks; default: 20 ms. */
  readonly intervalMs?: number;
  /** State to show when the time runs out. */
  readonly details?: () => unknown;
}

type Falsy = undefined | null | false | 0 | "";

/**
 * Waits until `check` gives something truthy, and returns that.
 *
 * @param what - the awaited condition, for the message: "the capsule is paused".
 * @throws Error with `what`, the time, the last value and the details, when the time runs out; whatever `check` throws, at once.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  { timeoutMs = 30_000, intervalMs = 20, details }: EventuallyOptions = {},
): Promise<Exclude<T, Falsy>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (isTruthy(value)) return value;
    if (performance.now() >= deadline) {
      const state = details ? `; ${inspect(details(), { depth: 5 })}` : "";
      throw new Error(`not within ${timeoutMs} ms: ${what}; last: ${inspect(value)}${state}`);
    }
    await delay(intervalMs);
  }
}

function isTruthy<T>(value: T): value is Exclude<T, Falsy> {
  return Boolean(value);
}
