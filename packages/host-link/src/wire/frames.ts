import { decodeValue, encodeValue } from "./values.ts";

/** Longest header and payload that are taken. */
const HEADER_LIMIT = 1 << 20;
const PAYLOAD_LIMIT = 4 << 20;
const PREFIX = 8;

/**
 * One piece of a stream: its header, a value, and bytes. On the wire both lengths as 32-bit big-endian numbers, then the header as
 * JSON, then the bytes.
 */
export interface LinkFrame {
  readonly header: unknown;
  readonly payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);
const NO_BYTES = Buffer.alloc(0);

export function encodeFrame(header: unknown, payload: Uint8Array = NOTHING): Buffer {
  const text = Buffer.from(encodeValue(header));
  const frame = Buffer.allocUnsafe(PREFIX + text.length + payload.length);
  frame.writeUInt32BE(text.length, 0);
  frame.writeUInt32BE(payload.length, 4);
  text.copy(frame, PREFIX);
  frame.set(payload, PREFIX + text.length);
  return frame;
}

/**
 * Cuts chunks into frames, in time that grows with their bytes and not with how many pieces they arrive in.
 *
 * @throws Error for a frame that is too long or damaged, and for an end in the middle of one.
 */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<LinkFrame> {
  let held: Buffer = NO_BYTES;
  let length = 0;
  let needed = PREFIX;
  for await (const chunk of chunks) {
    let all = viewOf(chunk);
    if (length > 0) {
      held = withRoom(held, length, length + chunk.length);
      held.set(chunk, length);
      all = held.subarray(0, length + chunk.length);
    }
    ({ length } = all);
    if (length >= needed) {
      let size = sizeOf(all);
      for (; size !== undefined && all.length >= size.total; size = sizeOf(all)) {
        yield {
          header: decodeValue(all.subarray(PREFIX, PREFIX + size.header)),
          payload: all.subarray(PREFIX + size.header, size.total),
        };
        all = all.subarray(size.total);
      }
      needed = size?.total ?? PREFIX;
      ({ length } = all);
      // The payloads that were given away keep their bytes.
      held = Buffer.from(all);
    } else if (held.length < length) held = Buffer.from(all);
  }
  if (length > 0) throw new Error("the stream ends in the middle of a frame");
}

/** A buffer of at least `needed` bytes that begins with the first `used` ones of `buffer`; it doubles, so that few are copied again. */
function withRoom(buffer: Buffer, used: number, needed: number): Buffer {
  if (buffer.length >= needed) return buffer;
  const larger = Buffer.allocUnsafe(Math.max(needed, 2 * buffer.length));
  buffer.copy(larger, 0, 0, used);
  return larger;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function sizeOf(bytes: Buffer): { readonly header: number; readonly total: number } | undefined {
  if (bytes.length < PREFIX) return undefined;
  const header = bytes.readUInt32BE(0);
  const payload = bytes.readUInt32BE(4);
  if (header > HEADER_LIMIT || payload > PAYLOAD_LIMIT) throw new Error("a frame is too long");
  return { header, total: PREFIX + header + payload };
}
