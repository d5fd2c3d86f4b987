import { FLAG_MORE, FRAME_HEADER, frameType, MAX_PAYLOAD } from "./constants.ts";

/** Header, payload parts and trailer of one frame, ready for a vectored write; the payload is not copied. */
export function encodeFrame(
  epoch: number,
  type: number,
  id: number,
  payload: readonly Uint8Array[],
  flags = 0,
): Uint8Array[] {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  if (length > MAX_PAYLOAD) throw new RangeError(`a payload of ${length} bytes`);
  const header = Buffer.allocUnsafe(FRAME_HEADER);
  header.writeUInt32LE(epoch, 0);
  header.writeUInt32LE(length, 4);
  header.writeUInt8(type, 8);
  header.writeUInt8(flags, 9);
  header.writeUInt16LE(0, 10);
  header.writeUInt32LE(id, 12);
  const trailer = Buffer.allocUnsafe(4);
  trailer.writeUInt32LE((epoch ^ 0xff_ff_ff_ff) >>> 0, 0);
  return [header, ...payload, trailer];
}

/** A request, in as many frames as its body needs. */
export function encodeRequest(
  epoch: number,
  id: number,
  op: number,
  answeredBelow: number,
  body: Uint8Array,
): Uint8Array[] {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt16LE(op, 0);
  head.writeUInt16LE(0, 2);
  head.writeUInt32LE(answeredBelow, 4);
  const frames: Uint8Array[] = [];
  let prefix: Uint8Array = head;
  let at = 0;
  do {
    const part = body.subarray(at, at + MAX_PAYLOAD - prefix.length);
    at += part.length;
    frames.push(
      ...encodeFrame(epoch, frameType.request, id, [prefix, part], at < body.length ? FLAG_MORE : 0),
    );
    prefix = new Uint8Array();
  } while (at < body.length);
  return frames;
}

export function encodeData(epoch: number, id: number, offset: number, bytes: Uint8Array): Uint8Array[] {
  const head = Buffer.allocUnsafe(8);
  head.writeBigUInt64LE(BigInt(offset), 0);
  return encodeFrame(epoch, frameType.data, id, [head, bytes]);
}

export function encodeWindow(epoch: number, id: number, received: number, limit: number): Uint8Array[] {
  const payload = Buffer.allocUnsafe(16);
  payload.writeBigUInt64LE(BigInt(received), 0);
  payload.writeBigUInt64LE(BigInt(limit), 8);
  return encodeFrame(epoch, frameType.window, id, [payload]);
}

export function encodeEnd(epoch: number, id: number, offset: number): Uint8Array[] {
  const payload = Buffer.alloc(12);
  payload.writeBigUInt64LE(BigInt(offset), 0);
  return encodeFrame(epoch, frameType.end, id, [payload]);
}

/** Tells the guest which answers it need not keep: of all requests below `below`, except `pending`. */
export function encodeAnswered(epoch: number, below: number, pending: readonly number[]): Uint8Array[] {
  const payload = Buffer.allocUnsafe(8 + 4 * pending.length);
  payload.writeUInt32LE(below, 0);
  payload.writeUInt32LE(pending.length, 4);
  for (const [index, id] of pending.entries()) payload.writeUInt32LE(id, 8 + 4 * index);
  return encodeFrame(epoch, frameType.answered, 0, [payload]);
}
