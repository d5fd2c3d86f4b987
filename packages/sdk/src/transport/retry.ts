const FIRST_MS = 250;
const MOST_MS = 15_000;

/**
 * Milliseconds to wait before the next attempt: exponential, with full jitter, and never sooner than the server asked.
 *
 * @param attempt - the attempt that failed, from 1.
 */
export function backoffMs(attempt: number, retryAfterMs: number | undefined): number {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** (attempt - 1));
  return Math.max(retryAfterMs ?? 0, Math.random() * most);
}
