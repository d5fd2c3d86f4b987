const HEADER = "keepalive-ping-interval";
const DEFAULT_SEC = 90;
const MAX_SEC = 86_400;

/** Milliseconds of silence after which a stream has to say that it lives, as the request has them in seconds. */
export function silenceOf(headers: Headers): number {
  const seconds = Number(headers.get(HEADER) ?? Number.NaN);
  const isUsable = Number.isFinite(seconds) && seconds > 0;
  return Math.min(isUsable ? seconds : DEFAULT_SEC, MAX_SEC) * 1000;
}

const SILENCE = Symbol("silence");

/** The items of a source, and one of `keepalive` after each `silenceMs` without any. */
export async function* withKeepalive<T>(
  source: AsyncIterable<T>,
  silenceMs: number,
  keepalive: () => T,
): AsyncGenerator<T, void> {
  const iterator = source[Symbol.asyncIterator]();
  let next = iterator.next();
  try {
    for (;;) {
      const result = await inTime(next, silenceMs);
      if (result === SILENCE) {
        yield keepalive();
        continue;
      }
      if (result.done === true) return;
      yield result.value;
      next = iterator.next();
    }
  } finally {
    // What is awaited ends with the signal of the source; nobody waits for it here.
    next.catch(() => undefined);
    iterator.return?.().catch(() => undefined);
  }
}

async function inTime<T>(promise: Promise<T>, ms: number): Promise<T | typeof SILENCE> {
  const { promise: silence, resolve } = Promise.withResolvers<typeof SILENCE>();
  const timer = setTimeout(resolve, ms, SILENCE);
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
