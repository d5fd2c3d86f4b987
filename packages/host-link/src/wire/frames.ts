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

export function encodeFrame(header: unknown, payload: Uint8Array = NOTHING): Buffer {
  const text = Buffer.from(encodeValue(header));
  const frame = Buffer.allocUnsafe(PREFIX + text.length + payload.length);
  frame.writeUInt32BE(text.length, 0);
  frame.writeUInt32BE(payload.length, 4);
  text.copy(frame, PREFIX);
  frame.set(payload, PREFIX + text.length);
  return frame;
}

/** Cuts chunks into frames. @throws Error for a frame that is too long or damaged, and for an end in the middle of one. */
export async function* decodeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<LinkFrame> {
  const pending: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    pending.push(chunk);
    length += chunk.length;
    if (length < PREFIX) continue;
    let all =
      pending.length === 1 && pending[0]
        ? Buffer.from(pending[0].buffer, pending[0].byteOffset, length)
        : Buffer.concat(pending, length);
    for (let size = sizeOf(all); size !== undefined && all.length >= size.total; size = sizeOf(all)) {
      yield {
        header: decodeValue(all.toString("utf8", PREFIX, PREFIX + size.header)),
        payload: all.subarray(PREFIX + size.header, size.total),
      };
      all = all.subarray(size.total);
    }
    pending.length = 0;
    if (all.length > 0) pending.push(all);
    ({ length } = all);
  }
  if (length > 0) throw new Error("the stream ends in the middle of a frame");
}

function sizeOf(bytes: Buffer): { readonly header: number; readonly total: number } | undefined {
  if (bytes.length < PREFIX) return undefined;
  const header = bytes.readUInt32BE(0);
  const payload = bytes.readUInt32BE(4);
  if (header > HEADER_LIMIT || payload > PAYLOAD_LIMIT) throw new Error("a frame is too long");
  return { header, total: PREFIX + header + payload };
}
