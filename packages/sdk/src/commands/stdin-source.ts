import { orAborted } from "../transport/abort.ts";

/** Text or bytes for standard input. */
export type StdinData = string | Uint8Array;

/** What standard input can be read from. */
export type StdinSource = StdinData | ReadableStream<StdinData> | AsyncIterable<StdinData>;

interface SourceReader {
  readonly next: () => Promise<{ readonly done?: boolean; readonly value?: StdinData | undefined }>;
  /** Not awaited: a source that is waiting for its next part may not answer. */
  readonly cancel: (reason: unknown) => Promise<unknown>;
}

/**
 * The parts of a source, one asked for when the one before is dealt with. A source that is left before its end is cancelled, also
 * while a part is awaited.
 *
 * @throws the signal's reason; what the source throws.
 */
export async function* stdinParts(
  source: StdinSource,
  signal: AbortSignal,
): AsyncGenerator<StdinData, void, undefined> {
  if (typeof source === "string" || source instanceof Uint8Array) {
    yield source;
    return;
  }
  const { next, cancel } = readerOf(source);
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await orAborted(next(), signal);
      isOver = done === true;
      if (value === undefined || isOver) return;
      yield value;
    }
  } finally {
    if (!isOver) cancel(signal.reason).catch(() => undefined);
  }
}

/** Not every runtime can iterate over streams. */
function readerOf(source: ReadableStream<StdinData> | AsyncIterable<StdinData>): SourceReader {
  if ("getReader" in source) {
    const reader = source.getReader();
    return { next: async () => await reader.read(), cancel: async (reason) => await reader.cancel(reason) };
  }
  const iterator = source[Symbol.asyncIterator]();
  return {
    next: async () => await iterator.next(),
    cancel: async () => await iterator.return?.(),
  };
}
