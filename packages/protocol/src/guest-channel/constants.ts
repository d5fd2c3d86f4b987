/** Numbers of the guest channel, version 1: docs/reference/guest-protocol.md is their source. */

export const PROTOCOL_VERSION = 1;
export const RECORD_SIZE = 64;
export const FRAME_HEADER = 16;
export const FRAME_TRAILER = 4;
export const MAX_PAYLOAD = 131_072;
/** A whole request, a whole response. */
export const MAX_REQUEST = 4 << 20;
export const MAX_RESPONSE = 16 << 20;
/** Zero bytes that complete any frame a guest may be in the middle of. */
export const RESYNC_PADDING = MAX_PAYLOAD + FRAME_HEADER + FRAME_TRAILER + 4;

export const helloMagic = Buffer.from("WRENN-HELLO\xff\x00\xa5\x5a\x01", "latin1");
export const welcomeMagic = Buffer.from("WRENN-WELCM\xff\x00\x5a\xa5\x01", "latin1");

export const frameType = { request: 1, response: 2, data: 3, window: 4, end: 5, answered: 6 } as const;
export const FLAG_MORE = 1;

export const lanes = { interactive: 0, bulk: 1 } as const;

export const operation = {
  info: 1,
  configure: 2,
  counters: 3,
  ports: 4,
  quiesce: 5,
  thaw: 6,
  listeners: 8,
  shutdown: 9,
  grow: 12,
  start: 16,
  wait: 17,
  signal: 18,
  resize: 19,
  list: 20,
  forget: 21,
  overflow: 22,
  stat: 32,
  listDirectory: 33,
  makeDirectory: 34,
  remove: 35,
  move: 36,
  copy: 37,
  changeMode: 38,
  symlink: 39,
  listPage: 40,
  attributes: 41,
  setAttributes: 42,
  read: 48,
  write: 49,
  commit: 50,
  close: 51,
  watch: 52,
  archive: 53,
  cancel: 54,
  uploadCreate: 64,
  uploadState: 65,
  uploadWrite: 66,
  uploadFinish: 67,
  uploadDrop: 68,
} as const;

export const status = {
  ok: 0,
  busy: 1000,
  unknownHandle: 1001,
  badRequest: 1002,
  noSuchUser: 1003,
  hookFailed: 1004,
  tooLarge: 1005,
  badCwd: 1006,
  offsetDiffers: 1007,
  conditionFailed: 1008,
} as const;

/** Handles of processes and transfers are below this, so that a stream id fits 32 bits; 0 is not one. */
export const HANDLE_LIMIT = 2 ** 30;

/** Stream numbers within a handle. */
export const stream = { input: 0, output: 1, errors: 2 } as const;

export function streamId(handle: number, number: number): number {
  return handle * 4 + number;
}
