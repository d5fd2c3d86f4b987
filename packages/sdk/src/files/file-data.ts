import { WrennError } from "../errors/wrenn-error.ts";
import { invalidOption } from "../transport/options.ts";

/** Bytes that can be read once. Text in it is UTF-8. */
export type FileStream = ReadableStream<Uint8Array | string> | AsyncIterable<Uint8Array | string>;

/** What a file is written from. Text is written as UTF-8. */
export type FileData = string | Uint8Array | ArrayBuffer | Blob | FileStream;

/** The next bytes of some data. */
export interface ChunkReader {
  /** Undefined at the end. Rejects with what the data fails with. */
  readonly next: () => Promise<Uint8Array | undefined>;
  /** Gives up the rest. Can be repeated. */
  readonly close: () => void;
}

/** Bytes of data in memory that are given at a time. */
const SLICE = 256 << 10;

/** Streams that a call has begun to read: their bytes are gone. */
const spent = new WeakSet<object>();

/** Whether data can be read again. */
export function isStream(data: unknown): data is FileStream {
  return (
    typeof data === "object" &&
    data !== null &&
    (data instanceof ReadableStream || Symbol.asyncIterator in data)
  );
}

/**
 * Data in memory, as it is sent.
 *
 * @throws WrennError `invalid_option` for a value that holds no bytes.
 */
export function inMemory(call: string, data: Exclude<FileData, FileStream>): Uint8Array<ArrayBuffer> | Blob {
  if (typeof data === "string") return new TextEncoder().encode(data);
  if (data instanceof Blob) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (!(data instanceof Uint8Array))
    throw invalidOption(
      call,
      "data",
      "must be text, bytes, a Blob, a stream, or a function that gives one of them",
    );
  // Shared memory cannot be sent.
  return data.buffer instanceof ArrayBuffer ? (data as Uint8Array<ArrayBuffer>) : new Uint8Array(data);
}

export function sizeOf(data: Uint8Array | Blob): number {
  return data instanceof Blob ? data.size : data.length;
}

/** The bytes from `start` up to `end`. A Blob is read, bytes are not copied. */
export async function slice(
  data: Uint8Array<ArrayBuffer> | Blob,
  start: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return data instanceof Blob
    ? new Uint8Array(await data.slice(start, end).arrayBuffer())
    : data.subarray(start, end);
}

/**
 * Reads data piece by piece.
 *
 * @throws WrennError `body_spent` for a stream that another call reads or has read.
 */
export function readerOf(call: string, data: Uint8Array<ArrayBuffer> | Blob | FileStream): ChunkReader {
  if (!isStream(data)) return sliceReader(data);
  if (spent.has(data) || (data instanceof ReadableStream && data.locked)) throw bodySpent(call);
  spent.add(data);
  const reader = data instanceof ReadableStream ? streamReader(data) : iterableReader(data);
  return {
    next: async () => {
      const chunk: unknown = await reader.next();
      if (chunk === undefined || chunk instanceof Uint8Array) return chunk;
      if (typeof chunk === "string") return new TextEncoder().encode(chunk);
      throw invalidOption(call, "data", `gave ${typeof chunk} where bytes or text are needed`);
    },
    close: reader.close,
  };
}

/** @param cause - why the stream would have to be sent again. */
export function bodySpent(call: string, cause?: WrennError): WrennError {
  const why = cause === undefined ? "" : `, which was needed after this: ${cause.message}`;
  return new WrennError(
    {
      code: "body_spent",
      message: `${call}: the stream has been read and cannot be sent again${why}`,
      remedy: "Pass a function that gives the stream, or data that can be read again.",
      requestId: cause?.requestId,
      details: cause === undefined ? {} : { code: cause.code },
    },
    { cause },
  );
}

function sliceReader(data: Uint8Array<ArrayBuffer> | Blob): ChunkReader {
  let at = 0;
  return {
    next: async () => {
      if (at >= sizeOf(data)) return undefined;
      const chunk = await slice(data, at, at + SLICE);
      at += SLICE;
      return chunk;
    },
    close: () => (at = Infinity),
  };
}

function streamReader(stream: ReadableStream<Uint8Array | string>): Reader {
  const reader = stream.getReader();
  return {
    next: async () => (await reader.read()).value,
    close: () => void reader.cancel().catch(() => undefined),
  };
}

function iterableReader(data: AsyncIterable<Uint8Array | string>): Reader {
  const iterator = data[Symbol.asyncIterator]();
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return done === true ? undefined : value;
    },
    // What waits for its next piece ends when that comes.
    close: () => void iterator.return?.().catch(() => undefined),
  };
}

interface Reader {
  readonly next: () => Promise<Uint8Array | string | undefined>;
  readonly close: () => void;
}
