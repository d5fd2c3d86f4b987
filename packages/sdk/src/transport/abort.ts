/**
 * A signal that follows others, without what `AbortSignal.any` leaves behind on signals that live long: disposing of the link
 * removes its listeners.
 *
 * @param signals - undefined ones are left out.
 */
export function linkSignals(...signals: readonly (AbortSignal | undefined)[]): AbortLink {
  const controller = new AbortController();
  const followed = signals.filter((signal) => signal !== undefined);
  const listeners = followed.map((signal): (() => void) => {
    const onAbort = (): void => controller.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
    return () => signal.removeEventListener("abort", onAbort);
  });
  const release = (): void => {
    for (const remove of listeners) remove();
  };
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    release,
    [Symbol.dispose]: release,
  };
}

export interface AbortLink extends Disposable {
  readonly signal: AbortSignal;
  readonly abort: (reason: unknown) => void;
  /** Stops following. Where `using` is not at hand. */
  readonly release: () => void;
}

/**
 * Resolves after `ms`. The timer keeps the process alive: an await depends on it.
 *
 * @throws the signal's reason, when it aborts first.
 */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(resolve, ms);
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort);
    });
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * The outcome of `work`, or the signal's reason as soon as it aborts; `work` then goes on unobserved.
 *
 * @throws the signal's reason, or what `work` rejects with.
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await work;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener("abort", onAbort);
  }
}
