import { WrennError } from "./wrenn-error.ts";

/**
 * Runs `task` with a signal that aborts when `parent` does or after `ms` milliseconds, whichever is first.
 *
 * @param what - names the awaited thing in the error, e.g. "guest agent handshake".
 * @throws WrennError `deadline_exceeded` when the time ran out.
 */
export async function withDeadline<T>(
  what: string,
  ms: number,
  parent: AbortSignal | undefined,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timer = new AbortController();
  const handle = setTimeout(() => timer.abort(new WrennError("deadline_exceeded", { what, ms })), ms);
  const signal = parent ? AbortSignal.any([parent, timer.signal]) : timer.signal;
  try {
    signal.throwIfAborted();
    return await abortable(signal, task(signal));
  } finally {
    clearTimeout(handle);
  }
}

/** Settles as `promise` does, or rejects with the signal's reason as soon as the signal aborts. */
export async function abortable<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    // Also where it is aborted already, so that somebody hears of a promise that is rejected later.
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
