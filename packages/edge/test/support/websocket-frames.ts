import type { Duplex } from "node:stream";

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export const opcode = { binary: 2, close: 8 } as const;
const MASK = Buffer.from([1, 2, 3, 4]);

/** A masked frame, as clients send them (RFC 6455 §5.2). */
export function clientFrame(code: number, payload: Buffer): Buffer {
  const short = payload.length < 126;
  const length = Buffer.alloc(short ? 1 : 9);
  length[0] = 0x80 | (short ? payload.length : 127);
  if (!short) length.writeBigUInt64BE(BigInt(payload.length), 1);
  const masked = payload.map((byte, at) => byte ^ (MASK[at % 4] ?? 0));
  return Buffer.concat([Buffer.from([0x80 | code]), length, MASK, masked]);
}

/** Whole, unmasked frames, as servers send them. @throws Error for a frame that is neither. */
export async function* serverFrames(stream: Duplex): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, chunk]);
    for (let found = take(rest); found; found = take(rest)) {
      rest = found.rest;
      yield found.frame;
    }
  }
}

function take(from: Buffer): { frame: Frame; rest: Buffer } | undefined {
  if (from.length < 2) return undefined;
  const [first = 0, second = 0] = from;
  if ((first & 0xf0) !== 0x80 || second > 127) throw new Error("no whole, unmasked frame");
  const start = second === 127 ? 10 : second === 126 ? 4 : 2;
  if (from.length < start) return undefined;
  const size =
    second === 127 ? Number(from.readBigUInt64BE(2)) : second === 126 ? from.readUInt16BE(2) : second;
  if (from.length < start + size) return undefined;
  return {
    frame: { opcode: first & 15, payload: from.subarray(start, start + size) },
    rest: from.subarray(start + size),
  };
}
