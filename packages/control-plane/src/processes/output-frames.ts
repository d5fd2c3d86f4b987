/** Media type of a body of {@link outputFrame}s. */
export const OUTPUT_TYPE = "application/vnd.wrenn.output";

/** Kinds of frames (docs/reference/rest-api.md#output-streams). */
export const frameKind = {
  heartbeat: 0,
  stdout: 1,
  stderr: 2,
  started: 3,
  dropped: 4,
  exit: 5,
  status: 6,
  error: 7,
} as const;
type FrameKind = (typeof frameKind)[keyof typeof frameKind];

const HEAD_BYTES = 8;
const NOTHING = new Uint8Array(0);

/** One frame: its kind, three zero bytes, the length of the payload as a 32-bit big-endian number, and the payload. */
export function outputFrame(kind: FrameKind, payload: Uint8Array = NOTHING): Buffer {
  const frame = Buffer.alloc(HEAD_BYTES + payload.length);
  frame[0] = kind;
  frame.writeUInt32BE(payload.length, HEAD_BYTES - 4);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** A frame whose payload is a JSON object. */
export function jsonFrame(kind: FrameKind, value: object): Buffer {
  return outputFrame(kind, Buffer.from(JSON.stringify(value)));
}
